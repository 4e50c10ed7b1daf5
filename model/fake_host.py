"""A worker without a model: the fake engine as a base, and another one for each adapter."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from model.adapter_folder import AdapterOptions, locate, read
from model.engine.fake import FakeEngine
from model.preset import Preset
from model.server.worker import ServedModel, serve_as


class FakeHost:
    """A `ModelSource` whose adapters are looked at as the real one looks at them, their weights apart."""

    def __init__(self, base: ServedModel, engine: FakeEngine, options: AdapterOptions | None = None) -> None:
        """`engine`: that of the base; the adapters' are like it."""
        self._base = base
        self._engine = engine
        self._options = options or AdapterOptions()
        self._put_away: list[ServedModel] = []

    @property
    def base_name(self) -> str:
        return self._base.name

    @property
    def at_once(self) -> int:
        return self._options.most + 2

    @property
    def most_adapters(self) -> int:
        return self._options.most

    def first(self) -> list[ServedModel]:
        """The adapters named at the start, and the base."""
        return [*(self._serve(name, path) for name, path in self._options.at_start.items()), self._base]

    def adapter(self, name: str, path: str) -> ServedModel:
        """A fake adapter."""
        return self._serve(name, locate(name, path, self._options.folder))

    def put_away(self, models: Sequence[ServedModel]) -> None:
        """Remember them."""
        self._put_away = list(models)

    def let_go(self, level: int) -> None:
        """There is nothing to be freed."""

    def bring_back(self) -> list[ServedModel]:
        """The same models, with the same engines."""
        return self._put_away

    def _serve(self, name: str, path: Path) -> ServedModel:
        read(path)
        base = self._base
        return replace(
            base,
            name=name,
            engine=self._engine.another(),
            root=base.name,
            adapter=name,
            created=int(time.time()),
        )


def fake_host(
    preset: Preset, options: AdapterOptions | None = None, tokens_per_second: float | None = None
) -> FakeHost:
    """The fake engine under the preset's name and sizes."""
    slots = preset.engine.slots or 16
    queue_limit = preset.engine.queue_limit if preset.engine.queue_limit is not None else 4 * slots
    engine = FakeEngine(tokens_per_second=tokens_per_second, slots=slots, queue_limit=queue_limit)
    return FakeHost(serve_as(preset, engine, engine.codec), engine, options)

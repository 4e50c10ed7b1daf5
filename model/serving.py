"""From a preset to the models that a worker serves: a base in memory, with an engine and a codec for each way of
serving it.

What a worker needs to take in further adapters, to free its memory and to fetch everything back is here too; when
that is done is `model.server.administration`'s business.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from model.adapter_folder import AdapterFolder, AdapterOptions, LoraSettings, locate, read, same_base
from model.engine.base import Engine
from model.engine.errors import AdapterRefused, CannotRun
from model.errors import ModelError
from model.loading import LoadedModel, adapter_folder, device
from model.machine import this_machine
from model.server.worker import ServedModel, serve_as

if TYPE_CHECKING:
    from model.lora import Lora

log = logging.getLogger("model.serving")


class ModelHost:
    """The real `ModelSource`: engines over one base's tensors, with an adapter's own for each adapter.

    Each engine has a KV cache to itself, since a cache's prefixes know tokens and not adapters. The memory for the
    caches is divided evenly: among the base, as many adapters as there may be, and one more that takes another's
    place while that one's answers end.
    """

    def __init__(self, load: Callable[[], LoadedModel], options: AdapterOptions | None = None) -> None:
        """Loads the base at once. Raises `CannotRun`, `LoadError`."""
        self._load = load
        self._options = options or AdapterOptions()
        self._loaded: LoadedModel | None = load()
        self._preset = self._loaded.preset
        self._tokenizer = self._loaded.tokenizer
        self._settings: WeakKeyDictionary[Engine, LoraSettings] = WeakKeyDictionary()
        self._put_away: list[tuple[ServedModel, Lora | None]] = []
        self._level = 0
        self._divide_memory()

    @property
    def base_name(self) -> str:
        return self._preset.base.name

    @property
    def at_once(self) -> int:
        return self._at_once

    @property
    def most_adapters(self) -> int:
        return max(0, min(self._options.most, self._at_once - 1))

    def first(self) -> list[ServedModel]:
        """The preset's adapter where it has one here, those named at the start, and the bare base.

        Raises `CannotRun` for an adapter that cannot be served, and `LoadError`.
        """
        own = self._own_adapter()
        wanted: list[tuple[str, Path, str | None]] = [] if own is None else [own]
        wanted += [(name, path.resolve(), None) for name, path in self._options.at_start.items()]
        adapters = []
        for name, path, prompt_format in wanted:
            try:
                adapters.append(self._serve(name, path, prompt_format))
            except AdapterRefused as error:
                raise CannotRun(f"The adapter {name} in {path} cannot be served: {error}") from error
        return [
            *adapters,
            self._served(self._engine(self._base, self.base_name), self._preset.base.prompt_format),
        ]

    def adapter(self, name: str, path: str) -> ServedModel:
        return self._serve(name, locate(name, path, self._options.folder))

    def put_away(self, models: Sequence[ServedModel]) -> None:
        """Their adapters are kept in the CPU's memory, since their folders may have changed by the time."""
        from model.lora import take_out

        self._put_away, self._level = [], 0
        for model in models:
            settings = self._settings.get(model.engine)
            lora = None if settings is None else take_out(_network(model.engine), settings)
            self._put_away.append((model, lora))

    def let_go(self, level: int) -> None:
        self._level = max(level, self._level)
        if self._level > 1:
            self._loaded = None
        elif self._loaded is not None and self._loaded.on_gpu:
            self._base.to("cpu")
        give_back_memory()

    def bring_back(self) -> list[ServedModel]:
        from model.lora import on_device

        if self._loaded is None:
            self._loaded = self._load()
        if str(self._base.device.type) != device():
            self._base.to(device())
        models = []
        for model, lora in self._put_away:
            if lora is None:
                engine = self._engine(self._base, model.name)
            else:
                engine = self._engine_with(on_device(lora, self._base), model.name)
            models.append(replace(model, engine=engine))
        return models

    @property
    def _base(self) -> Any:
        if self._loaded is None:
            raise ModelError("The base model is not in memory.")
        return self._loaded.base

    def _own_adapter(self) -> tuple[str, Path, str] | None:
        own = self._preset.active_adapter()
        if own is None or (self._loaded is not None and self._loaded.random_weights):
            return None
        return own.name, adapter_folder(self._preset, own), own.prompt_format

    def _serve(self, name: str, path: Path, prompt_format: str | None = None) -> ServedModel:
        from model.lora import read_lora

        folder = read(path)
        self._check_base(folder)
        if folder.foreign_template and prompt_format is None:
            log.warning("the adapter %s has a chat template of its own, which is not used", name)
        lora = read_lora(folder, self._base, highest_rank=self._preset.max_lora_rank)
        known = prompt_format or folder.prompt_format or self._preset.adapter_prompt_format
        engine = self._engine_with(lora, name)
        return self._served(engine, known or self._preset.base.prompt_format, adapter=name)

    def _check_base(self, folder: AdapterFolder) -> None:
        base = self._preset.base
        here = getattr(self._base.config, "_name_or_path", None)
        if not same_base(folder.base, base.repo, base.name, self._preset.name, here):
            raise AdapterRefused(
                f"The adapter was trained on {folder.base}, and the base here is {base.repo or base.name}."
            )

    def _served(self, engine: Engine, prompt_format: str, adapter: str | None = None) -> ServedModel:
        from model.engine.codec import PromptCodec

        try:
            codec = PromptCodec(prompt_format, self._tokenizer)
        except (ModelError, KeyError, ValueError) as error:
            raise AdapterRefused(
                f"The prompt format {prompt_format} does not go with this base: {error}"
            ) from error
        return serve_as(self._preset, engine, codec, adapter)

    def _engine_with(self, lora: Lora, name: str) -> Engine:
        from model.lora import put_in_place

        engine = self._engine(put_in_place(self._base, lora), name)
        self._settings[engine] = lora.settings
        return engine

    def _engine(self, network: Any, name: str) -> Engine:
        from model.engine.codec import line_breaks
        from model.engine.continuous import ContinuousEngine

        return ContinuousEngine(
            network,
            self._size,
            context_length=self._preset.context_length,
            name=name,
            line_breaks=line_breaks(self._tokenizer),
        )

    def _divide_memory(self) -> None:
        from model.engine.continuous import free_gpu_memory
        from model.engine.sizing import CacheShape, engines_that_fit, size_engine

        preset, on_gpu = self._preset, self._loaded is not None and self._loaded.on_gpu
        shape = CacheShape.of(self._base.config.get_text_config(), self._base.dtype.itemsize)
        memory = free_gpu_memory() if on_gpu else this_machine().free_ram
        needed = 1 + (self._own_adapter() is not None) + len(self._options.at_start)
        wanted = max(self._options.most + 2, needed)
        fit = engines_that_fit(
            preset.engine, shape, preset.context_length, on_gpu=on_gpu, free_memory=memory, wanted=wanted
        )
        if fit < wanted:
            log.warning("there is memory for the KV caches of %d models at once, not of %d", fit, wanted)
        self._at_once = max(fit, needed)
        self._size = size_engine(
            preset.engine,
            shape,
            preset.context_length,
            on_gpu=on_gpu,
            free_memory=memory,
            engines=self._at_once,
        )


def served_models(loaded: LoadedModel) -> list[ServedModel]:
    """The models to begin with of one that is loaded already. Raises `CannotRun`, `AdapterRefused`."""
    return ModelHost(lambda: loaded).first()


def _network(engine: Engine) -> Any:
    from model.engine.continuous import ContinuousEngine

    return engine.network if isinstance(engine, ContinuousEngine) else None


def give_back_memory() -> None:
    """To the GPU and the system, what nothing refers to any more; modules refer to one another in circles."""
    import ctypes
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with contextlib.suppress(OSError, AttributeError):  # glibc only
        ctypes.CDLL("libc.so.6").malloc_trim(0)

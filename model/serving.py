"""From a preset to the models that a worker serves: loaded, with an engine and a codec for each."""

from __future__ import annotations

from model.engine.base import ChatCodec, Engine
from model.loading import LoadedModel
from model.machine import this_machine
from model.preset import Preset
from model.server.worker import ServedModel


def fake_models(preset: Preset, tokens_per_second: float | None = None) -> list[ServedModel]:
    """The fake engine under the preset's name and sizes."""
    from model.engine.fake import FakeEngine

    slots = preset.engine.slots or 16
    queue_limit = preset.engine.queue_limit if preset.engine.queue_limit is not None else 4 * slots
    engine = FakeEngine(tokens_per_second=tokens_per_second, slots=slots, queue_limit=queue_limit)
    return [_served(preset, engine, engine.codec)]


def served_models(loaded: LoadedModel) -> list[ServedModel]:
    """An engine for the bare base and, where there is one, for the base with the adapter, which comes first.

    Each has a KV cache of its own, since the cache's prefixes know tokens and not adapters. Raises
    `CannotRun`.
    """
    from model.engine.codec import PromptCodec
    from model.engine.continuous import ContinuousEngine
    from model.engine.sizing import CacheShape, size_engine

    preset = loaded.preset
    size = size_engine(
        preset.engine,
        CacheShape.of(loaded.base.config.get_text_config(), loaded.base.dtype.itemsize),
        preset.context_length,
        on_gpu=loaded.on_gpu,
        free_memory=this_machine().free_ram,
        engines=1 if loaded.adapted is None else 2,
    )
    base = _served(
        preset,
        ContinuousEngine(loaded.base, size, context_length=preset.context_length, name=preset.base.name),
        PromptCodec(preset.base.prompt_format, loaded.tokenizer),
    )
    if loaded.adapted is None or loaded.adapter is None:
        return [base]
    name = loaded.adapter.name
    adapted = _served(
        preset,
        ContinuousEngine(loaded.adapted, size, context_length=preset.context_length, name=name),
        PromptCodec(loaded.adapter.prompt_format, loaded.tokenizer),
        adapter=name,
    )
    return [adapted, base]


def _served(preset: Preset, engine: Engine, codec: ChatCodec, adapter: str | None = None) -> ServedModel:
    return ServedModel(
        name=adapter or preset.base.name,
        engine=engine,
        codec=codec,
        preset=preset.name,
        context_length=preset.context_length,
        sampling=preset.sampling,
        root=preset.base.name,
        adapter=adapter,
    )

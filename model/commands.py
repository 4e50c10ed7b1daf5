"""The subcommands of `python -m model`: where settings, presets, models and the server are put together."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

from model.engine.errors import CannotRun, WorkerError
from model.preset import Preset, load_preset
from model.server.run import ServeOptions, check_address, leave, serve
from model.server.worker import ServedModel
from model.settings import WorkerSettings


def run(options: argparse.Namespace) -> int:
    """Run the subcommand; what stands in its way is said in one sentence."""
    settings = WorkerSettings()
    commands = {"serve": _serve}
    try:
        return commands[options.command](options, settings)
    except WorkerError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, CannotRun) else 1


def _serve(options: argparse.Namespace, settings: WorkerSettings) -> int:
    logging.basicConfig(
        level=options.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    preset = _preset(options, settings)
    check_address(options.host, settings.worker_token)
    serve_options = ServeOptions(
        host=options.host,
        port=options.port,
        token=settings.worker_token,
        grace=options.grace,
        with_parent=options.with_parent,
    )

    def load() -> list[ServedModel]:
        return _fake(preset, options.tokens_per_second)

    def announce(address: str) -> None:
        print(f"worker ready on {address}", flush=True)  # noqa: T201

    status = asyncio.run(serve(load, serve_options, announce))
    leave(status)
    return status


def _preset(options: argparse.Namespace, settings: WorkerSettings) -> Preset:
    preset = load_preset(options.preset or settings.preset or "embedded")
    given = {"slots": options.slots, "queue_limit": options.queue_limit}
    engine = preset.engine.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    return preset.model_copy(update={"engine": engine})


def _fake(preset: Preset, tokens_per_second: float | None) -> list[ServedModel]:
    from model.engine.fake import FakeEngine

    slots = preset.engine.slots or 16
    queue_limit = preset.engine.queue_limit if preset.engine.queue_limit is not None else 4 * slots
    engine = FakeEngine(tokens_per_second=tokens_per_second, slots=slots, queue_limit=queue_limit)
    return [
        ServedModel(
            name=preset.base.name,
            engine=engine,
            codec=engine.codec,
            preset=preset.name,
            context_length=preset.context_length,
            sampling=preset.sampling,
            root=preset.base.name,
        )
    ]

"""The subcommands of `python -m model`: where settings, presets, models and the server are put together."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from model.adapter_folder import NAME, AdapterOptions, read
from model.engine.errors import AdapterRefused, CannotRun, PresetError
from model.errors import ModelError
from model.log_format import set_up_logging
from model.machine import GIB, this_machine
from model.preset import Preset, list_presets, load_preset
from model.settings import WorkerSettings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from model.embedded import Report
    from model.server.source import ModelSource


_WIDE = 100
"""Columns of a terminal in which the list of presets has room for all that it says."""


def run(options: argparse.Namespace) -> int:
    """Run the subcommand; what stands in its way is said in one sentence."""
    # Progress is told by our own bar, not by those of the libraries.
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    commands = {"serve": _serve, "prepare": _prepare, "models": _models, "chat": _chat}
    try:
        return commands[options.command](options, WorkerSettings())
    except ModelError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, (CannotRun, PresetError)) else 1
    except ValidationError as error:
        for fault in error.errors():
            print(f"{str(fault['loc'][0]).upper()}: {fault['msg']}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 130


def _serve(options: argparse.Namespace, settings: WorkerSettings) -> int:
    from model.server.process import check_address, leave
    from model.server.run import ServeOptions, serve

    set_up_logging(options.log_level, options.log_format or settings.log_format)
    if options.log_level != "debug":
        # transformers' continuous batching tells all its sizes at each start.
        logging.getLogger("ContinuousBatchingLogger").setLevel(logging.WARNING)
    preset = _preset(options, settings)
    check_address(options.host, settings.worker_token)
    _check(preset, settings, random_weights=options.random_weights)
    _check_adapters(options.adapter, preset)
    serve_options = ServeOptions(
        host=options.host,
        port=options.port,
        token=settings.worker_token,
        admin_token=settings.worker_admin_token,
        grace=options.grace,
        parent=options.with_parent,
    )

    def announce(address: str) -> None:
        if preset.notice:
            print(preset.notice, file=sys.stderr)  # noqa: T201
        print(f"worker ready on {address}", flush=True)  # noqa: T201

    status = asyncio.run(serve(lambda: _source(preset, options, settings), serve_options, announce))
    leave(status)
    return status


def _check_adapters(adapters: Sequence[tuple[str, Path]], preset: Preset) -> None:
    """What stands in the way of these adapters, before a base is loaded for them."""
    own = preset.active_adapter()
    taken = {preset.base.name} | ({own.name} if own else set())
    for name, folder in adapters:
        if not NAME.fullmatch(name) or name in taken:
            raise CannotRun(
                f"--adapter {name}={folder}: {name!r} is no name for it or is taken; choose another."
            )
        taken.add(name)
        try:
            read(folder)
        except AdapterRefused as error:
            raise CannotRun(f"--adapter {name}={folder} cannot be served: {error}") from error


def _source(preset: Preset, options: argparse.Namespace, settings: WorkerSettings) -> ModelSource:
    adapters = AdapterOptions(settings.adapters_dir, settings.max_adapters, dict(options.adapter))
    if preset.base.source == "fake":
        from model.fake_host import fake_host

        return fake_host(preset, adapters, options.tokens_per_second)
    from model.loading import LoadedModel, load
    from model.serving import ModelHost

    def load_base() -> LoadedModel:
        with _bar() as report:
            return load(
                preset,
                random_weights=options.random_weights,
                embedded_source=settings.embedded_model_path,
                cache=settings.fanfabler_cache,
                report=report,
            )

    return ModelHost(load_base, adapters)


def _chat(options: argparse.Namespace, settings: WorkerSettings) -> int:
    from model.terminal.session import chat

    return chat(options)


def _prepare(options: argparse.Namespace, settings: WorkerSettings) -> int:
    preset = _preset(options, settings)
    _check(preset, settings, random_weights=False)
    with _bar() as report:
        folder = _made_ready(preset, settings, report)
    print(f"{preset.name} is ready{f' in {folder}' if folder else ''}")  # noqa: T201
    return 0


def _made_ready(preset: Preset, settings: WorkerSettings, report: Report) -> Path | None:
    match preset.base.source:
        case "embedded":
            from model.embedded import prepare

            return prepare(settings.embedded_model_path, settings.fanfabler_cache, report)
        case "hub":
            from huggingface_hub import snapshot_download

            wanted = ["*.json", "*.safetensors", "tokenizer*"]
            return Path(
                snapshot_download(
                    preset.base.repo or "", revision=preset.base.revision, allow_patterns=wanted
                )
            )
        case _:
            return None


def _models(options: argparse.Namespace, settings: WorkerSettings) -> int:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    presets = list_presets()
    _show_presets(console, presets, settings)
    _show_adapters(console, presets, settings)
    machine = this_machine()
    gpu = f"{machine.gpu}, {machine.gpu_memory / GIB:.0f} GiB" if machine.gpu else "no GPU"
    console.print(f"This machine: {machine.free_ram / GIB:.0f} of {machine.ram / GIB:.0f} GiB free, {gpu}.")
    return 0


def _show_presets(console: Console, presets: Sequence[Preset], settings: WorkerSettings) -> None:
    from model.preflight import obstacle, weights_state

    where: dict[str, Any] = {
        "embedded_source": settings.embedded_model_path,
        "cache": settings.fanfabler_cache,
    }
    # Where there is no room for all of it, the preset's name says enough of the model.
    models = ("model",) if console.width >= _WIDE else ()
    table = _table(
        "preset", *models, "adapter", "memory", "weights", "runs here", wrapped={"memory", "weights"}
    )
    obstacles = []
    for preset in presets:
        adapter = preset.active_adapter()
        found = obstacle(preset, **where)
        obstacles += [found] if found else []
        memory = f"{preset.memory.ram:g} GiB"
        if preset.memory.gpu is not None:
            memory = f"{preset.memory.gpu:g} GiB GPU, {memory}"
        state = weights_state(preset, **where)
        name = adapter.name if adapter else "–"
        model = (preset.base.name,) if models else ()
        table.add_row(preset.name, *model, name, memory, state, "no" if found else "yes")
    console.print(table)
    for sentence in obstacles:
        console.print(sentence, markup=False)  # which would take [gpu] away


def _show_adapters(console: Console, presets: Sequence[Preset], settings: WorkerSettings) -> None:
    from model.adapter_list import list_adapters

    adapters = list_adapters(settings.adapters_dir, presets)
    if not adapters:
        console.print(f"There are no adapters in {settings.adapters_dir} (ADAPTERS_DIR).")
        return
    table = _table(f"adapter in {settings.adapters_dir}", "base", "rank", "prompt format", "for the presets")
    for adapter in adapters:
        fitting = "none" if adapter.fault else ", ".join(adapter.presets) or "none here"
        table.add_row(adapter.path, adapter.base, str(adapter.rank or "–"), adapter.prompt_format, fitting)
    console.print(table)
    for adapter in adapters:
        if adapter.fault:
            console.print(adapter.fault, markup=False)


def _table(*headings: str, wrapped: Collection[str] = ()) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, no_wrap=heading not in wrapped, overflow="fold")
    return table


def _preset(options: argparse.Namespace, settings: WorkerSettings) -> Preset:
    from model.preflight import default_preset

    preset = load_preset(options.preset or settings.preset or default_preset())
    given = {name: getattr(options, name, None) for name in ("slots", "queue_limit")}
    engine = preset.engine.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    return preset.model_copy(update={"engine": engine})


def _check(preset: Preset, settings: WorkerSettings, *, random_weights: bool) -> None:
    from model.preflight import check

    check(
        preset,
        embedded_source=settings.embedded_model_path,
        cache=settings.fanfabler_cache,
        random_weights=random_weights,
    )


@contextmanager
def _bar() -> Iterator[Report]:
    """A progress bar on the terminal; a line for each stage where there is none."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    from model.embedded import Progress as Stage

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:

        def report(stage: Stage) -> None:
            if stage.stage not in tasks:
                for task in tasks.values():
                    bar.update(task, total=1.0, completed=1.0)
                tasks[stage.stage] = bar.add_task(stage.stage, total=None)
                if not console.is_terminal:
                    console.print(f"{stage.stage} …", highlight=False)
            if stage.done is not None:
                bar.update(tasks[stage.stage], total=1.0, completed=stage.done)

        yield report
        for task in tasks.values():
            bar.update(task, total=1.0, completed=1.0)

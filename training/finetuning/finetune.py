"""A fine-tuning run from its recipe to its adapter, top to bottom.

`finetune` goes on from the last checkpoint of a run of the same name, and gives what an uninterrupted run
would have given.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from model.adapter_folder import fingerprint
from training.finetuning.base import Backend, choose_backend, describe, preset_for, sized_as
from training.finetuning.console import Console
from training.finetuning.data import TrainingData, read_data
from training.finetuning.errors import FinetuningError
from training.finetuning.libraries import ready
from training.finetuning.metrics import EventLog
from training.finetuning.options import Options
from training.finetuning.prepared import Prepared, prepare
from training.finetuning.rated import RatedChat, digest_of, read_rated
from training.finetuning.recipe import Recipe
from training.finetuning.run_folder import BEGUN_WITH, Asked, RunFolder, processes, rank


def finetune(recipe: Recipe, options: Options) -> RunFolder:
    """Train, and return the folder of the complete run. Raises `TrainingError` or `ModelError`.

    Raises `KeyboardInterrupt` where the run was asked to stop; calling it again goes on.
    """
    # unsloth begins with fresh layers only, which KTO never does.
    wanted = "transformers" if options.backend == "auto" and options.adapter else options.backend
    backend = choose_backend(wanted)
    ready(backend)
    data = read_data(options.data, options.languages, options.limit)
    rated = _second_stage(options, backend)
    if options.adapter:
        recipe = sized_as(recipe, options.adapter)
    if rated:
        # KTO pads its rows.
        recipe = recipe.model_copy(update={"packing": None})
    folder = RunFolder(options.runs / (options.name or f"{recipe.name}{'-kto' if rated else ''}"))
    asked = _asked(recipe, options, backend, data, rated)
    console = Console(quiet=options.quiet or rank() > 0)
    with ExitStack() as stack:
        if rank() == 0:
            stack.enter_context(folder.locked())
            folder.adopt(asked, restart=options.restart)
        _wait_for_all()
        if folder.complete:
            console.say(f"{folder.path} is complete; --restart would train it anew")
            return folder
        log = EventLog(folder.metrics)
        try:
            with console.working("loading the base model"):
                prepared = prepare(recipe, options, backend, data, rated)
            console.introduce(folder, asked, prepared)
            trainer = _train(prepared, folder, log, console)
            if rank() == 0:
                from training.finetuning.outcome import finish

                finish(folder, asked, prepared, trainer, log, console)
        except Exception as error:
            if rank() == 0:
                log.write("failed", error=f"{type(error).__name__}: {error}")
            raise
    return folder


def _second_stage(options: Options, backend: Backend) -> list[RatedChat]:
    """The rated rows that KTO is asked to learn from; none where it is not asked for."""
    if options.method == "sft":
        if options.rated:
            raise FinetuningError("--rated is for --method kto")
        if options.adapter and backend == "unsloth":
            raise FinetuningError("--adapter goes with --backend transformers")
        return []
    if options.rated is None or options.adapter is None:
        raise FinetuningError("--method kto needs --rated FILE.jsonl, and --adapter FOLDER to begin with")
    if backend == "unsloth":
        raise FinetuningError("--method kto goes with --backend transformers")
    return read_rated(options.rated)


def _asked(
    recipe: Recipe, options: Options, backend: Backend, data: TrainingData, rated: list[RatedChat]
) -> Asked:
    base = describe(preset_for(recipe).base, options.embedded_source)
    if options.adapter:
        base = f"{base}{BEGUN_WITH}{fingerprint(options.adapter)}"
    return Asked(
        method=options.method,
        recipe=recipe,
        data=f"{data.digest} {digest_of(rated)}" if rated else data.digest,
        base=base,
        backend=backend,
        processes=processes(),
    )


def _train(prepared: Prepared, folder: RunFolder, log: EventLog, console: Console) -> Any:
    """Train to the end, from the last checkpoint where there is one, and return TRL's trainer."""
    from training.finetuning.trainers import stopping

    if prepared.rated:
        from training.finetuning.kto import make_trainer, steps_of
    else:
        from training.finetuning.sft import make_trainer, steps_of
    trainer, progress = make_trainer(prepared, folder, log if rank() == 0 else None, console)
    steps = steps_of(prepared)
    if rank() == 0:
        trainer.checkpoints.prepare()
    _wait_for_all()
    checkpoint = trainer.checkpoints.latest()
    if rank() == 0:
        if checkpoint:
            log.go_back(checkpoint.progress.step)
            log.write("resumed", step=checkpoint.progress.step)
        else:
            log.go_back(-1)
            counts = prepared.counts
            log.write(
                "begun",
                steps=steps,
                examples=counts.examples,
                tokens=counts.tokens,
                learnt_tokens=counts.learnt,
            )
    with console.training(steps, checkpoint.progress.step if checkpoint else 0), stopping(progress):
        trainer.train(resume_from_checkpoint=str(checkpoint.path) if checkpoint else None)
    if progress.stop_wanted and trainer.state.global_step < steps:
        if rank() == 0:
            log.write("stopped", step=trainer.state.global_step)
        raise KeyboardInterrupt
    return trainer


def _wait_for_all() -> None:
    if processes() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()

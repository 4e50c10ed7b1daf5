"""One evaluation from end to end: ask, judge, measure the loss, put it together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from model.prompt import PromptFormat, find_format
from training.chats import Chat
from training.evaluation.answering import (
    SYSTEMS,
    TOO_LONG,
    Answer,
    Journal,
    Plan,
    System,
    answer_all,
    references,
)
from training.evaluation.errors import EvaluationError
from training.evaluation.figures import Judged, by_language, figures
from training.evaluation.heldout import HeldOut, held_out
from training.evaluation.questions import Question, questions
from training.evaluation.result import REFERENCE, Judgement, Result
from training.evaluation.verdicts import judge
from training.evaluation.worker import Served, open_worker, start_worker
from training.progress import bar

if TYPE_CHECKING:
    from model.loading import LoadedModel
    from model.preset import Adapter


@dataclass(frozen=True, slots=True)
class Options:
    """What is to be judged, on which chats, and how thoroughly."""

    preset: str
    adapter: Path | None
    """A folder; None: the preset's own, if it has one here."""
    output: Path
    samples: int
    """Answers to every question …"""
    base_samples: int | None = None
    """… of the base, with and without the system prompt; as many where not given."""
    systems: tuple[System, ...] = SYSTEMS
    languages: tuple[str, ...] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Sampling parameters in place of the worker's own."""
    url: str | None = None
    """A worker that runs already; its adapter is then named by `model`."""
    token: str | None = field(default=None, repr=False)
    model: str | None = None
    concurrency: int = 32
    loss: bool = True
    embedded_source: Path | None = None
    cache: Path | None = None
    compared: Path | Literal["own"] | None = None
    """The folder of another adapter, or the preset's own, to be judged beside the first; not with a worker that runs
    already."""


def evaluate(chats: Sequence[Chat], options: Options) -> Result:
    """Judge the systems on these chats. Raises `TrainingError`, `ModelError`."""
    return judged(chats, options)[0]


def judged(chats: Sequence[Chat], options: Options) -> tuple[Result, list[Answer]]:
    """As `evaluate`, with the answers that were judged."""
    if options.compared is not None and options.url is not None:
        raise EvaluationError(
            "another adapter is compared on a worker of the evaluation's own, without --url"
        )
    chosen = [each for each in chats if options.languages is None or each.language in options.languages]
    asked = list(questions(chosen))
    if not asked:
        raise EvaluationError("there is no chat in these languages")
    answers, models = asyncio.run(_answers(asked, options))
    judgements = {REFERENCE: _judge(references(asked), asked)}
    fitting = [each for each in answers if each.finish_reason != TOO_LONG]
    for system in models:
        judgements[system] = _judge([each for each in fitting if each.system == system], asked)
    losses, notes = _losses(chosen, options, tuple(models)) if options.loss else ({}, ())
    if left_out := len({each.key[:3] for each in answers} - {each.key[:3] for each in fitting}):
        notes += (f"{left_out} questions were left out: they do not fit into the model's context.",)
    samples = _samples(options, models)
    about = {
        "preset": options.preset,
        **{f"model ({system})": name for system, name in models.items()},
        "chats": len(chosen),
        "questions": len(asked),
        "answers to each": ", ".join(f"{count} ({system})" for system, count in samples.items())
        if len(set(samples.values())) > 1
        else options.samples,
        "sampling": dict(options.parameters) or "the worker's own",
    }
    return Result(about, judgements, losses, notes), fitting


async def _answers(asked: Sequence[Question], options: Options) -> tuple[list[Answer], Mapping[System, str]]:
    async with _worker(options) as served:
        models = _models(served, options)
        plan = Plan(models, asked, _samples(options, models), options.parameters)
        journal = Journal(options.output / "answers.jsonl", plan.digest)
        with bar("answering", len(plan)) as tick:
            answers = await answer_all(
                plan, served.client, journal, concurrency=options.concurrency, tick=tick
            )
        return answers, models


def _samples(options: Options, systems: Iterable[System]) -> dict[System, int]:
    """System → answers to each question."""
    of_base = options.samples if options.base_samples is None else options.base_samples
    return {system: of_base if system in {"bare", "base"} else options.samples for system in systems}


def _worker(options: Options) -> AbstractAsyncContextManager[Served]:
    if options.url is not None:
        return open_worker(options.url, options.token)
    given = {"evaluated": options.adapter, "compared": options.compared}
    adapters = {name: folder.resolve() for name, folder in given.items() if isinstance(folder, Path)}
    return start_worker(options.preset, adapters)


def _models(served: Served, options: Options) -> dict[System, str]:
    """System → the worker's name for its model. Raises `EvaluationError`."""
    wanted = options.model or ("evaluated" if options.adapter and options.url is None else None)
    adapters = [name for name in served.adapters if wanted in {None, name} and name != "compared"]
    if wanted is not None and not adapters:
        raise EvaluationError(
            f"the worker has no adapter {wanted!r}; it has {', '.join(served.adapters) or 'none'}"
        )
    names: dict[System, str] = {"bare": served.base, "base": served.base}
    if adapters:
        names["tuned"] = adapters[0]
    if options.compared is not None:
        names["compared"] = _own_adapter(options.preset).name if options.compared == "own" else "compared"
    return {system: names[system] for system in options.systems if system in names}


def _judge(answers: Sequence[Answer], asked: Sequence[Question]) -> Judgement:
    due = {(each.chat, each.turn): each.wants_tag for each in asked}
    judged = [
        Judged(answer, due[answer.chat, answer.turn], judge(answer.text, answer.language))
        for answer in answers
    ]
    return Judgement(figures(judged), by_language(judged))


def _losses(
    chats: Sequence[Chat], options: Options, systems: Sequence[str]
) -> tuple[dict[str, Mapping[str, HeldOut]], tuple[str, ...]]:
    """System → language → loss, and what is to be said about it. The model is loaded here, not in the worker."""
    from model.loading import load
    from model.preset import load_preset

    preset = load_preset(options.preset)
    loaded = load(preset, embedded_source=options.embedded_source, cache=options.cache)
    base_format = find_format(preset.base.prompt_format)
    plans: dict[str, tuple[Any, Any, bool]] = {
        "bare": (loaded.base, base_format, False),
        "base": (loaded.base, base_format, True),
    }
    notes = []
    if (adapted := _adapted(loaded, options.adapter)) is not None:
        tuned, own = adapted
        plans["tuned"] = (tuned, own, True)
        if own.name != base_format.name:
            plans["base_as_tuned"] = (loaded.base, own, True)
            notes.append(
                f"The base is prompted in the format {base_format.name!r}, the fine-tuned model in {own.name!r}: "
                "the base is a pretrained model that knows no chat format, and is shown what is wanted by example."
            )
    if options.compared == "own":
        plans["compared"] = (*_own_in_place(loaded, _own_adapter(options.preset)), True)
    elif options.compared is not None:
        plans["compared"] = (*_put_in_place(loaded, options.compared, None), True)
    plans = {name: plan for name, plan in plans.items() if name in systems or name == "base_as_tuned"}
    losses = {}
    with bar("held-out loss", len(plans) * len(chats)) as tick:
        for name, (model, prompt_format, system) in plans.items():
            losses[name] = held_out(model, loaded.tokenizer, prompt_format, chats, system=system, tick=tick)
    return losses, tuple(notes)


def _adapted(loaded: LoadedModel, folder: Path | None) -> tuple[Any, PromptFormat] | None:
    """The model with the adapter of this folder, or with the preset's own, and the format that it was trained in."""
    own = loaded.preset.active_adapter()
    if folder is None and own is not None:
        return _own_in_place(loaded, own)
    return _put_in_place(loaded, folder, None) if folder else None


def _own_adapter(preset: str) -> Adapter:
    from model.preset import load_preset

    own = load_preset(preset).active_adapter()
    if own is None:
        raise EvaluationError(f"the preset {preset} has no adapter of its own here")
    return own


def _own_in_place(loaded: LoadedModel, own: Adapter) -> tuple[Any, PromptFormat]:
    """The preset says in which format its adapter was trained; the adapter itself need not."""
    from model.loading import adapter_folder

    return _put_in_place(loaded, adapter_folder(loaded.preset, own), own.prompt_format)


def _put_in_place(loaded: LoadedModel, folder: Path, prompt_format: str | None) -> tuple[Any, PromptFormat]:
    """The model with this adapter, and the format that it was trained in: what is given, else what it says."""
    from model.adapter_folder import read
    from model.lora import put_in_place, read_lora

    preset, found = loaded.preset, read(folder)
    name = prompt_format or found.prompt_format or preset.adapter_prompt_format
    lora = read_lora(found, loaded.base, highest_rank=preset.max_lora_rank)
    return put_in_place(loaded.base, lora), find_format(name or preset.base.prompt_format)

"""One evaluation from end to end: ask, judge, measure the loss, put it together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from model.adapter_folder import fingerprint
from model.preset import Adapter, Preset, load_preset
from model.prompt import PromptFormat, find_format
from training.chats import Chat, digest_of
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
from training.evaluation.result import AS_TUNED, REFERENCE, Judgement, Result
from training.evaluation.verdicts import judge
from training.evaluation.worker import Served, open_worker, start_worker
from training.progress import bar

if TYPE_CHECKING:
    from model.loading import LoadedModel


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
    """A worker that runs already; its adapter is then named by `model`. Its held-out loss is that of `adapter`, or of
    the preset's own where that is the name."""
    token: str | None = field(default=None, repr=False)
    model: str | None = None
    concurrency: int = 32
    loss: bool = True
    embedded_source: Path | None = None
    cache: Path | None = None
    compared: Path | Literal["own"] | None = None
    """The folder of another adapter, or the preset's own, to be judged beside the first; not with a worker that runs
    already."""
    split: str | None = None
    """Which split the chats are, for the report."""


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
    preset = load_preset(options.preset)
    answers, models, weights = asyncio.run(_answers(asked, options, preset))
    judgements = {REFERENCE: _judge(references(asked), asked)}
    fitting = [each for each in answers if each.finish_reason != TOO_LONG]
    for system in models:
        judgements[system] = _judge([each for each in fitting if each.system == system], asked)
    losses = _losses(chosen, options, preset, tuple(models)) if options.loss else {}
    notes = _formats(preset, options, {*judgements, *losses})
    if left_out := len({each.key[:3] for each in answers} - {each.key[:3] for each in fitting}):
        notes += (f"{left_out} questions were left out: they do not fit into the model's context.",)
    samples = _samples(options, models)
    about = {
        "preset": options.preset,
        **{
            f"model ({system})": f"{name} (weights {weights[system]})" if system in weights else name
            for system, name in models.items()
        },
        **({"split": options.split} if options.split else {}),
        "data": digest_of(chosen),
        "chats": len(chosen),
        "questions": len(asked),
        "answers to each": ", ".join(f"{count} ({system})" for system, count in samples.items())
        if len(set(samples.values())) > 1
        else options.samples,
        "sampling": _sampling(options, preset),
    }
    return Result(about, judgements, losses, notes), fitting


async def _answers(
    asked: Sequence[Question], options: Options, preset: Preset
) -> tuple[list[Answer], Mapping[System, str], Mapping[System, str]]:
    """The answers, and the names and weights of the systems' models."""
    async with _worker(options) as served:
        models = _models(served, options)
        own = preset.active_adapter()
        if options.loss and not options.adapter and models.get("tuned") not in {None, own and own.name}:
            raise EvaluationError(
                f"{models['tuned']!r} is not the adapter of the preset {options.preset}: name its folder with "
                "--adapter for its held-out loss, or judge the answers alone with --no-loss"
            )
        weights = _weights(options, preset, models)
        asked_of = {"sampling": _sampling(options, preset), "weights": weights}
        plan = Plan(models, asked, _samples(options, models), options.parameters, asked_of)
        journal = Journal(options.output / "answers.jsonl", plan.digest)
        with bar("answering", len(plan)) as tick:
            answers = await answer_all(
                plan, served.client, journal, concurrency=options.concurrency, tick=tick
            )
        return answers, models, weights


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
    if set(options.systems) == {"tuned"} and "tuned" not in names:
        raise EvaluationError(
            f"the preset {options.preset} has no adapter here that could be judged: name one with --adapter"
        )
    return {system: names[system] for system in options.systems if system in names}


def _weights(options: Options, preset: Preset, models: Mapping[System, str]) -> dict[System, str]:
    """System → the fingerprint of its adapter's weights, where they lie on this machine."""
    own, at_own = preset.active_adapter(), preset.adapter_folder()
    folders = {
        "tuned": options.adapter or (at_own if own and models.get("tuned") == own.name else None),
        "compared": at_own if options.compared == "own" else options.compared,
    }
    return {
        system: fingerprint(folder) for system in models if isinstance(folder := folders.get(system), Path)
    }


def _sampling(options: Options, preset: Preset) -> Mapping[str, Any] | str:
    """As it is known: that of a worker which runs already is its own affair."""
    if options.url is not None:
        return dict(options.parameters) or "the worker's own"
    return {**preset.sampling.model_dump(exclude_none=True), **options.parameters}


def _judge(answers: Sequence[Answer], asked: Sequence[Question]) -> Judgement:
    due = {(each.chat, each.turn): each.wants_tag for each in asked}
    judged = [
        Judged(answer, due[answer.chat, answer.turn], judge(answer.text, answer.language))
        for answer in answers
    ]
    return Judgement(figures(judged), by_language(judged))


def _losses(
    chats: Sequence[Chat], options: Options, preset: Preset, systems: Sequence[str]
) -> dict[str, Mapping[str, HeldOut]]:
    """System → language → loss. The model is loaded here, not in the worker."""
    from model.loading import load

    loaded = load(preset, embedded_source=options.embedded_source, cache=options.cache)
    base_format = find_format(preset.base.prompt_format)
    plans: dict[str, tuple[Any, Any, bool]] = {
        "bare": (loaded.base, base_format, False),
        "base": (loaded.base, base_format, True),
    }
    if (adapted := _adapted(loaded, options.adapter)) is not None:
        tuned, own = adapted
        plans["tuned"] = (tuned, own, True)
        if own.name != base_format.name:
            plans[AS_TUNED] = (loaded.base, own, True)
    if options.compared == "own":
        plans["compared"] = (*_own_in_place(loaded, _own_adapter(options.preset)), True)
    elif options.compared is not None:
        plans["compared"] = (*_put_in_place(loaded, options.compared, None), True)
    plans = {name: plan for name, plan in plans.items() if name in systems or name == AS_TUNED}
    losses = {}
    with bar("held-out loss", len(plans) * len(chats)) as tick:
        for name, (model, prompt_format, system) in plans.items():
            losses[name] = held_out(model, loaded.tokenizer, prompt_format, chats, system=system, tick=tick)
    return losses


def _formats(preset: Preset, options: Options, shown: Set[str]) -> tuple[str, ...]:
    """What is to be said about how the base was prompted, where it is judged."""
    if not shown & {"bare", "base"}:
        return ()
    own = preset.base.prompt_format
    said = f"The base is prompted in its own format, {own}."
    if own == "by-example":
        said = (
            f"The base, {preset.base.name}, is a pretrained model that was never taught a chat format: in its own rows "
            "it is shown the form by an example, in the language that the system prompt names."
        )
    return (said,)


def _adapted(loaded: LoadedModel, folder: Path | None) -> tuple[Any, PromptFormat] | None:
    """The model with the adapter of this folder, or with the preset's own, and the format that it was trained in."""
    own = loaded.preset.active_adapter()
    if folder is None and own is not None:
        return _own_in_place(loaded, own)
    return _put_in_place(loaded, folder, None) if folder else None


def _own_adapter(preset: str) -> Adapter:
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

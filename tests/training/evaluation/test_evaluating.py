"""Whole evaluations: the real client against a real worker, and the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.engine.fake import FakeEngine
from model.loading import load
from model.preset import load_preset
from model.prompt import find_format
from tests.model.worker.conftest import Running, fake_model, listening
from tests.model.worker.models import loaded, make_adapter
from training.chats import DATA, Chat, as_messages, read_chats
from training.evaluation.answering import TOO_LONG, Answer, Journal, Plan, System, answer_all
from training.evaluation.errors import EvaluationError
from training.evaluation.heldout import held_out, total
from training.evaluation.questions import Question, questions
from training.evaluation.report import write_report
from training.evaluation.run import Options, evaluate
from training.evaluation.worker import open_worker


def chats(*languages: str, each: int = 1) -> list[Chat]:
    return [chat for code in languages for chat in read_chats(DATA / "chats" / f"{code}.jsonl")[:each]]


def plan_for(running: Running, asked: list[Question], samples: int = 2) -> Plan:
    models: dict[System, str] = {"bare": running.model, "base": running.model}
    return Plan(models, asked, dict.fromkeys(models, samples), {"max_tokens": 8})


async def test_every_question_is_answered_as_often_as_wanted(tmp_path: Path) -> None:
    asked = list(questions(chats("fi", "ko")))
    ticks: list[None] = []
    engine = FakeEngine()
    async with listening([fake_model(engine)]) as running:
        plan = plan_for(running, asked)
        journal = Journal(tmp_path / "answers.jsonl", plan.digest)
        answers = await answer_all(
            plan, running.client, journal, concurrency=4, tick=lambda: ticks.append(None)
        )
    assert len(answers) == len(plan) == len(ticks) == 2 * len(asked) * 2
    assert len({answer.key for answer in answers}) == len(answers)
    roles = {request.messages[0][0] for request in engine.requests}
    assert roles == {"system", "user"}  # the bare base gets no system prompt


async def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    asked = list(questions(chats("fi")))
    path = tmp_path / "answers.jsonl"
    engine = FakeEngine()
    async with listening([fake_model(engine)]) as running:
        plan = plan_for(running, asked)
        whole = await answer_all(
            plan, running.client, Journal(path, plan.digest), concurrency=4, tick=lambda: None
        )
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text(
            "".join(lines[:3]) + lines[3][:20], encoding="utf-8"
        )  # killed in the middle of a line
        before = len(engine.requests)
        again = await answer_all(
            plan, running.client, Journal(path, plan.digest), concurrency=4, tick=lambda: None
        )
        assert len(engine.requests) - before == len(plan) - 2
    assert [answer.key for answer in again] == [answer.key for answer in whole]


def test_answers_with_any_line_end_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    answer = Answer("tuned", "fi-01", "fi", 0, 0, "one\u2028two\x85three\x0bfour\n", "stop")
    Journal(path, "plan").add(answer)
    assert list(Journal(path, "plan").answers.values()) == [answer]


async def test_the_answers_of_another_evaluation_are_not_taken(tmp_path: Path) -> None:
    async with listening([fake_model(FakeEngine())]) as running:
        asked = list(questions(chats("fi")))
        Journal(tmp_path / "answers.jsonl", plan_for(running, asked).digest)
        with pytest.raises(EvaluationError, match="another evaluation"):
            Journal(tmp_path / "answers.jsonl", plan_for(running, asked[:1]).digest)


async def test_a_question_that_does_not_fit_is_marked(tmp_path: Path) -> None:
    asked = list(questions(chats("fi")))
    async with listening([fake_model(FakeEngine(), context_length=16)]) as running:
        plan = plan_for(running, asked, samples=1)
        journal = Journal(tmp_path / "answers.jsonl", plan.digest)
        answers = await answer_all(plan, running.client, journal, concurrency=4, tick=lambda: None)
    assert {answer.finish_reason for answer in answers} == {TOO_LONG}


async def test_a_worker_that_cannot_be_reached_is_named() -> None:
    with pytest.raises(EvaluationError, match=r"127\.0\.0\.1:9"):
        async with open_worker("http://127.0.0.1:9/v1", None):
            pass


def test_the_loss_is_that_of_the_answers_tokens_alone() -> None:
    import torch

    loaded = load(load_preset("tiny"))
    prompt_format = find_format("llama3")
    (chat,) = chats("en")
    found = held_out(loaded.base, loaded.tokenizer, prompt_format, [chat])["en"]
    tokens = prompt_format.render_training(as_messages(chat), loaded.tokenizer)
    with torch.no_grad():
        likely = loaded.base(torch.tensor([tokens.ids])).logits.log_softmax(-1)[0]
    learnt = [place for place in range(1, len(tokens.ids)) if tokens.answer[place]]
    expected = -sum(float(likely[place - 1, tokens.ids[place]]) for place in learnt)
    assert found.tokens == len(learnt)
    assert found.nats == pytest.approx(expected, rel=1e-5)
    assert total([found, found]).loss == pytest.approx(found.loss)


def test_from_the_preset_to_the_report(tmp_path: Path) -> None:
    preset = tmp_path / "roomy.yaml"
    preset.write_text("extends: tiny\ncontext_length: 4096\nengine: {num_blocks: 1024, block_size: 16}\n")
    options = Options(
        preset=str(preset),
        adapter=None,
        output=tmp_path / "report",
        samples=1,
        languages=("fi", "ar"),
        parameters={"max_tokens": 6},
    )
    result = evaluate(chats("fi", "ar", "en"), options)
    paths = write_report(result, options.output)
    assert {path.name for path in paths} == {
        "report.json", "report.md", "report.html", "languages.png", "perplexity.png",
    }  # fmt: skip
    report = json.loads((options.output / "report.json").read_text(encoding="utf-8"))
    assert set(report["answers"]) == {"reference", "bare", "base"}  # this preset has no adapter
    assert set(report["answers"]["base"]["languages"]) == {"fi", "ar"}
    assert report["answers"]["reference"]["overall"]["in_language"]["value"] == 1
    assert report["held_out"]["base"]["overall"]["perplexity"] > 1
    markdown = (options.output / "report.md").read_text(encoding="utf-8")
    assert "| fi | Finnish |" in markdown
    page = (options.output / "report.html").read_text(encoding="utf-8")
    assert page.count("<picture>") == page.count('<img src="data:image/png;base64,') == 2
    assert "prefers-color-scheme: dark" in page


def test_the_presets_own_adapter_is_prompted_as_the_preset_says(tmp_path: Path) -> None:
    """The published adapter of the article does not say in its folder how it is prompted."""
    silent = make_adapter(tmp_path / "silent", loaded("tiny"), rank=4, seed=1)
    preset = tmp_path / "own.yaml"
    preset.write_text(
        "extends: tiny\ncontext_length: 4096\nengine: {num_blocks: 1024, block_size: 16}\n"
        f"adapter: {{name: own, path: {silent}, prompt_format: article}}\n"
    )
    options = Options(
        preset=str(preset),
        adapter=silent,
        output=tmp_path / "report",
        samples=2,
        base_samples=1,
        systems=("base", "tuned", "compared"),
        parameters={"max_tokens": 4},
        compared="own",
    )
    result = evaluate(chats("fi"), options)
    assert result.about["model (compared)"] == "own"
    asked = result.about["questions"]
    answers = {system: each.overall.in_language for system, each in result.judgements.items()}
    assert {system: rate and rate.answers for system, rate in answers.items()} == {
        "reference": asked, "base": asked, "tuned": 2 * asked, "compared": 2 * asked,
    }  # fmt: skip
    assert result.about["answers to each"] == "1 (base), 2 (tuned), 2 (compared)"
    # The same weights, other formats: other losses.
    assert total(result.held_out["tuned"].values()).loss != total(result.held_out["compared"].values()).loss

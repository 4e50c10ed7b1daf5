"""Whole evaluations: the real client against a real worker, and the report."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from model.adapter_folder import fingerprint
from model.engine.fake import FakeEngine
from model.loading import load
from model.preset import load_preset
from model.prompt import find_format
from tests.model.worker.conftest import Running, fake_model, listening
from tests.model.worker.models import loaded, make_adapter
from training.__main__ import main
from training.chats import DATA, Chat, as_messages, read_chats, write_chats
from training.evaluation.answering import TOO_LONG, Answer, Journal, Plan, System, answer_all
from training.evaluation.errors import EvaluationError
from training.evaluation.heldout import held_out, total
from training.evaluation.questions import Question, questions
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


ROOMY = "extends: tiny\ncontext_length: 4096\nengine: {num_blocks: 1024, block_size: 16}\n"


def test_the_command_from_the_preset_to_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    preset, output = tmp_path / "roomy.yaml", tmp_path / "report"
    preset.write_text(ROOMY)
    adapter = make_adapter(tmp_path / "adapter", loaded("tiny"), rank=4, seed=1)
    write_chats(tmp_path / "data" / "splits" / "some.jsonl", chats("fi", "ar", "en"))
    command = [
        *("evaluate", "--preset", str(preset), "--adapter", str(adapter), "--output", str(output)),
        *("--data", str(tmp_path / "data"), "--split", "some", "--languages", "fi,ar"),
        *("--samples", "2", "--base-samples", "1", "--max-tokens", "6", "--no-penalize-nl"),
    ]
    assert main(command) == 0
    assert {path.name for path in output.iterdir()} == {
        "answers.jsonl", "report.json", "report.md", "report.html", "languages.png", "perplexity.png",
    }  # fmt: skip
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert list(report["answers"]) == ["reference", "bare", "base", "tuned"]
    assert set(report["answers"]["base"]["languages"]) == {"fi", "ar"}
    assert report["answers"]["reference"]["overall"]["in_language"]["value"] == 1
    assert report["held_out"]["base"]["overall"]["perplexity"] > 1
    about = report["about"]
    assert about["split"] == "some"
    assert about["model (tuned)"] == f"evaluated (weights {fingerprint(adapter)})"
    assert about["sampling"]["max_tokens"] == 6
    assert about["sampling"]["penalize_nl"] is False
    assert report["notes"] == ["The base is prompted in its own format, llama3."]
    markdown = (output / "report.md").read_text(encoding="utf-8")
    assert "| fi | Finnish |" in markdown
    assert "](languages.png)" in markdown
    assert "| below: base, with the system prompt |" in markdown
    page = (output / "report.html").read_text(encoding="utf-8")
    assert page.count("<picture>") == page.count('<img src="data:image/png;base64,') == 2
    assert "prefers-color-scheme: dark" in page
    shown = capsys.readouterr().out
    assert "fine-tuned" in shown
    # Other weights under this name, or other sampling in the preset, are not judged by the answers that are there.
    make_adapter(adapter, loaded("tiny"), rank=4, seed=2)
    assert main(command) == 2
    assert "another evaluation" in capsys.readouterr().err
    make_adapter(adapter, loaded("tiny"), rank=4, seed=1)
    preset.write_text(f"{ROOMY}sampling: {{temperature: 0.1}}\n")
    assert main(command) == 2
    assert "another evaluation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"systems": ("tuned",)}, "has no adapter here"),
        ({"systems": ("base", "tuned"), "model": "evaluated"}, "has no adapter 'evaluated'"),
    ],
)
async def test_what_is_not_there_cannot_be_judged(tmp_path: Path, more: dict[str, Any], said: str) -> None:
    async with listening([fake_model(FakeEngine())]) as running:
        options = Options("tiny", None, tmp_path, 1, url=f"{running.url}/v1", loss=False, **more)
        with pytest.raises(EvaluationError, match=said):
            await asyncio.to_thread(evaluate, chats("fi"), options)


async def test_answers_and_loss_are_of_one_adapter(tmp_path: Path) -> None:
    """Which weights the worker has under a name that is not the preset's is not known here."""
    models = [fake_model(FakeEngine()), fake_model(FakeEngine(), name="other")]
    async with listening(models) as running:
        options = Options("tiny", None, tmp_path, 1, url=f"{running.url}/v1")
        with pytest.raises(
            EvaluationError, match=r"'other' is not the adapter of the preset tiny: .*--adapter"
        ):
            await asyncio.to_thread(evaluate, chats("fi"), options)


def test_the_presets_own_adapter_is_prompted_as_the_preset_says(tmp_path: Path) -> None:
    """The published adapter of the article does not say in its folder how it is prompted."""
    silent = make_adapter(tmp_path / "silent", loaded("tiny"), rank=4, seed=1)
    preset = tmp_path / "own.yaml"
    preset.write_text(f"{ROOMY}adapter: {{name: own, path: {silent}, prompt_format: article}}\n")
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
    assert result.about["model (compared)"] == f"own (weights {fingerprint(silent)})"
    asked = result.about["questions"]
    answers = {system: each.overall.in_language for system, each in result.judgements.items()}
    assert {system: rate and rate.answers for system, rate in answers.items()} == {
        "reference": asked, "base": asked, "tuned": 2 * asked, "compared": 2 * asked,
    }  # fmt: skip
    assert result.about["answers to each"] == "1 (base), 2 (tuned), 2 (compared)"
    # The same weights, other formats: other losses.
    assert total(result.held_out["tuned"].values()).loss != total(result.held_out["compared"].values()).loss

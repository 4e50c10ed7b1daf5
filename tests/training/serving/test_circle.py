"""The whole way of a job, from the file to the adapter and its report, by OpenAI's client and a trainer's process."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai
import pytest
from safetensors.torch import load_file

from model.adapter_folder import read
from tests.training.serving.conftest import (
    StandInWorker,
    lines,
    rows,
    stand_in_worker,
    trainer_process,
    until,
    write_recipes,
)
from training.chats import read_chats
from training.serving import openapi

pytestmark = pytest.mark.long

PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class Circle:
    """What there was to see."""

    folder: Path
    file: str = ""
    job: Any = None
    seen: list[dict[str, Any]] = field(default_factory=list)
    """`progress`, as it was told on the way."""
    events: list[Any] = field(default_factory=list)
    checkpoints: list[Any] = field(default_factory=list)
    results: dict[str, bytes] = field(default_factory=dict)
    curves: bytes = b""
    adapters: list[dict[str, Any]] = field(default_factory=list)
    sent: list[object] = field(default_factory=list)
    """The job, its events and its checkpoints, as JSON."""
    estimate: dict[str, Any] = field(default_factory=dict)
    worker: StandInWorker = field(default_factory=StandInWorker)
    asleep_while_training: bool = False


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Circle:
    """One job that is trained and judged, with a worker that has to sleep for it."""
    found = Circle(tmp_path_factory.mktemp("circle"))
    write_recipes(found.folder)
    asyncio.run(_go(found))
    return found


async def _go(found: Circle) -> None:
    async with stand_in_worker() as worker:
        found.worker = worker
        worker.answers = [503]  # it is still loading
        environment = {
            "WORKER_URL": worker.url,
            "WORKER_ADMIN_TOKEN": worker.token,
            "TRAINER_SLEEP_WORKER": "always",
        }
        async with trainer_process(found.folder, **environment) as (_, client):
            await _train(found, client)


async def _train(found: Circle, client: openai.AsyncOpenAI) -> None:
    file = await client.files.create(
        file=("rows.jsonl", lines(*rows(12, model="tiny"))),
        purpose="fine-tune",
        extra_body={"checks": "form"},
    )
    found.file = file.id
    jobs = client.fine_tuning.jobs
    job = await jobs.create(
        model="base",
        training_file=file.id,
        validation_file=file.id,
        suffix="whale",
        hyperparameters={"n_epochs": 2},
        metadata={"recipe": "quick", "samples": "1", "languages": "en"},
    )

    async def over() -> Any:
        now = await jobs.retrieve(job.id)
        if (progress := now.model_extra["progress"]) is not None:  # type: ignore[index]
            found.seen.append(progress)
            if progress["stage"] == "training" and progress["step"]:
                found.asleep_while_training |= found.worker.asleep
                found.curves = await client.get(
                    f"/fine_tuning/jobs/{job.id}/loss.png",
                    cast_to=openai.HttpxBinaryResponseContent,
                    options={"params": {"theme": "dark"}},
                )  # type: ignore[assignment]
                found.curves = found.curves.content  # type: ignore[attr-defined]
        return now if now.status in {"succeeded", "failed", "cancelled"} else None

    found.job = await until(over, 170)
    found.checkpoints = [each async for each in jobs.checkpoints.list(job.id)]
    for file_id in found.job.result_files:
        about = await client.files.retrieve(file_id)
        assert about.purpose == "fine-tune-results"
        found.results[about.filename] = (await client.files.content(file_id)).content

    async def awake() -> bool:
        return not found.worker.asleep

    await until(awake, 10)
    await asyncio.sleep(0.2)  # that it is awake is noted once it has said so
    found.events = [event async for event in jobs.list_events(job.id, limit=7)]
    found.adapters = (await client.get("/adapters", cast_to=object))["data"]  # type: ignore[index]
    for path in (f"/{job.id}", f"/{job.id}/events", f"/{job.id}/checkpoints"):
        found.sent.append(await client.get(f"/fine_tuning/jobs{path}", cast_to=object))
    found.estimate = await client.get("/recipes/quick/estimate?dataset=" + file.id, cast_to=object)  # type: ignore[assignment]


def test_the_job_succeeds_and_names_its_adapter(circle: Circle) -> None:
    assert circle.job.error is None
    assert circle.job.status == "succeeded"
    assert circle.job.fine_tuned_model == "whale"
    assert circle.job.hyperparameters.n_epochs == 2
    assert circle.job.trained_tokens > 1000
    assert circle.job.finished_at >= circle.job.created_at


def test_all_that_is_told_of_a_job_is_as_the_openapi_document_says(circle: Circle) -> None:
    for progress in circle.seen:
        openapi.Progress.model_validate(progress)
    job, events, checkpoints = circle.sent
    assert openapi.FineTuningJob.model_validate(job).figures
    assert openapi.JobEvents.model_validate(events).data
    assert openapi.JobCheckpoints.model_validate(checkpoints).data
    assert all(openapi.TrainedAdapter.model_validate(each) for each in circle.adapters)


def test_progress_goes_from_stage_to_stage(circle: Circle) -> None:
    stages = list(dict.fromkeys(progress["stage"] for progress in circle.seen))
    assert stages[0] == "waiting for memory"
    assert stages[1:3] == ["training", "evaluating"]
    training = [progress for progress in circle.seen if progress["stage"] == "training" and progress["step"]]
    assert all(0 < each["step"] <= each["steps"] for each in training)
    assert all(each["loss"] > 0 and each["tokens_per_second"] > 0 for each in training)
    assert [each["step"] for each in training] == sorted(each["step"] for each in training)


def test_events_tell_every_step_once_the_newest_first(circle: Circle) -> None:
    messages = [event.message for event in circle.events]
    assert messages[:2] == ["The worker is awake again.", "The job has succeeded; the adapter is whale."]
    assert messages[-1] == "The job waits for its turn."
    metrics = [event.data for event in circle.events if event.type == "metrics"]
    steps = [data["step"] for data in metrics if "train_loss" in data]
    assert steps == list(range(len(steps), 0, -1))
    assert steps[0] == metrics[0]["total_steps"]
    assert all(data["seconds_left"] >= 0 for data in metrics if "train_loss" in data)
    assert any("valid_loss" in data for data in metrics)
    assert len({event.id for event in circle.events}) == len(circle.events)


def test_the_loss_falls_and_the_checkpoints_can_be_listed(circle: Circle) -> None:
    losses = [event.data["train_loss"] for event in circle.events if "train_loss" in (event.data or {})]
    assert losses[0] < losses[-1]
    assert circle.checkpoints[0].step_number == len(losses)
    assert circle.checkpoints[0].metrics.train_loss == losses[0]
    assert all(each.fine_tuning_job_id == circle.job.id for each in circle.checkpoints)
    folder = Path(circle.checkpoints[0].model_extra["path"])
    assert (folder / "adapter_model.safetensors").is_file()
    assert not (folder / "optimizer.pt").exists()  # most of its size, and of no use any more


def test_reports_plots_and_adapter_are_result_files(circle: Circle) -> None:
    assert set(circle.results) == {
        "report.json", "report.md", "report.html", "loss.png", "loss-dark.png", "heatmap.png", "heatmap-dark.png",
        "worst.json", "manifest.json", "adapter.zip",
    }  # fmt: skip
    pictures = [content for name, content in circle.results.items() if name.endswith(".png")]
    assert all(content.startswith(PNG) for content in [*pictures, circle.curves])
    assert len(set(pictures)) == len(pictures)
    width, height = struct.unpack(">II", circle.results["heatmap-dark.png"][16:24])
    assert width < 1100  # a phone's, and a row a language
    assert height > 200
    about = json.loads(circle.results["report.json"])["about"]
    assert (about["adapter"], about["preset"]) == ("whale", "roomy")
    names = zipfile.ZipFile(io.BytesIO(circle.results["adapter.zip"])).namelist()
    assert {"whale/adapter_model.safetensors", "whale/README.md", "whale/evaluation/report.md"} <= set(names)


def test_the_worst_answers_stand_beside_the_bases_and_the_references(circle: Circle) -> None:
    worst = json.loads(circle.results["worst.json"])
    assert 0 < len(worst) <= 10
    for answer in worst:
        assert answer.keys() == {
            "language", "chat", "question", "reference", "answer", "base_answer", "why",
        }  # fmt: skip
        assert answer["language"] == "en"
        assert isinstance(answer["base_answer"], str)
        assert not answer["question"].startswith("[Notes]")
    assert "cut off" in circle.results["worst.json"].decode()  # the preset lets no answer be long


def test_the_adapter_lies_where_the_worker_loads_it_from(circle: Circle) -> None:
    path = Path(circle.job.model_extra["adapter"]["path"])
    assert path == (circle.folder / "adapters" / "whale").resolve()
    assert read(path).prompt_format == "llama3"
    weights = load_file(path / "adapter_model.safetensors")
    changed = [tensor.abs().sum() > 0 for name, tensor in weights.items() if "lora_B" in name]
    assert changed
    assert all(changed)
    card = (path / "README.md").read_text()
    assert "FanFabler (whale)" in card
    assert "came to an end" in card  # the evaluation


def test_the_adapters_figures_are_there_for_a_gate(circle: Circle) -> None:
    adapter = next(each for each in circle.adapters if each["id"] == "whale")
    report = json.loads(circle.results["report.json"])
    assert adapter["held_out_loss"] == report["held_out"]["tuned"]["overall"]["loss"]
    assert adapter["language_match"] == report["answers"]["tuned"]["overall"]["in_language"]["value"]
    assert (adapter["preset"], adapter["recipe"], adapter["lineage"]) == ("roomy", "quick", "random")
    assert (adapter["job"], adapter["result_files"]) == (circle.job.id, circle.job.result_files)
    assert "llama-3-8b-fanfic" in {each["id"] for each in circle.adapters}


def test_the_worker_slept_meanwhile_and_is_awake(circle: Circle) -> None:
    assert circle.asleep_while_training
    assert circle.worker.calls == ["sleep", "wake_up"]


def test_the_copies_of_the_rows_are_gone(circle: Circle) -> None:
    kept = circle.folder / "trainer" / "files" / circle.file / "content"
    word = b"The whale said 35 to the sea"
    assert word in kept.read_bytes()
    others = [path for path in (circle.folder / "trainer").rglob("*") if path.is_file() and path != kept]
    assert [path for path in others if word in path.read_bytes()] == []


def test_the_next_estimate_knows_how_long_it_took(circle: Circle) -> None:
    assert circle.estimate["seconds"] > 0
    assert len(read_chats(Path("training/data/splits/train.jsonl").resolve())) > circle.estimate["rows"]

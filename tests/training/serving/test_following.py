"""What a run's events become on the way to clients."""

from __future__ import annotations

import time
from pathlib import Path

from training.finetuning.metrics import EventLog
from training.serving.following import Follower, told
from training.serving.jobs import Job, JobStore


def test_each_event_is_told_once_by_a_trainer_and_by_the_next(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "metrics.jsonl")
    log.path.write_text(
        '{"event": "begun", "time": 1.0, "steps": 9}\n{"event": "step", "time": 2.0, "step": 1}\n'
        '{"event": "checkpoint", "time": 2.0, "step": 1}\n'
    )
    first = Follower(log.path)
    assert [event["event"] for event in first.new()] == ["begun", "step", "checkpoint"]
    assert first.new() == []
    with log.path.open("a") as file:
        file.write('{"event": "evaluation", "time": 2.0, "step": 1}\n{"event": "step", "ti')
    assert [event["event"] for event in first.new()] == ["evaluation"]
    second = Follower(log.path, [1.0, 2.0, 2.0])
    assert [event["event"] for event in second.new()] == ["evaluation"]


def test_a_file_that_is_written_anew_tells_nothing_twice(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "metrics.jsonl")
    log.write("begun", steps=9)
    for step in (1, 2, 3):
        log.write("step", step=step)
    follower = Follower(log.path)
    assert len(follower.new()) == 4
    time.sleep(0.002)  # events are known by their millisecond, and a run goes on seconds later
    log.go_back(2)
    log.write("resumed", step=2)
    log.write("step", step=3)
    assert [event["event"] for event in follower.new()] == ["resumed", "step"]


def test_a_loss_that_is_no_number_is_said_so(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "metrics.jsonl")
    log.write("evaluation", step=3, loss=float("nan"), perplexity=float("inf"))
    (event,) = Follower(log.path).new()
    assert told(event, 9) == (
        "Step 3: held-out loss no number",
        {"step": 3, "valid_loss": None, "total_steps": 9},
    )


def test_an_event_that_a_kill_cut_off_takes_no_other_with_it(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    job = Job.model_construct(id="ftjob-1")
    (tmp_path / "jobs" / job.id).mkdir()
    store.note(job, "one")
    with (tmp_path / "jobs" / job.id / "events.jsonl").open("a") as file:
        file.write('{"id": "ftevent-x", "mess')
    store.note(job, "two\u2028lines")
    assert [event["message"] for event in store.events(job)] == ["one", "two\u2028lines"]

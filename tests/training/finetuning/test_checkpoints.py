"""Checkpoints: which stay, and what a kill while one is written leaves."""

from __future__ import annotations

from pathlib import Path

from training.finetuning.checkpoints import Checkpoints, Progress


def save(checkpoints: Checkpoints, step: int, loss: float | None = None, best: int | None = None) -> None:
    written = checkpoints.staging / f"checkpoint-{step}"
    written.mkdir(parents=True)
    (written / "weights").write_text(str(step))
    checkpoints.commit(written, Progress(step, loss, best, None))


def steps(checkpoints: Checkpoints) -> list[int]:
    return [each.progress.step for each in checkpoints.all()]


def test_the_last_two_and_the_best_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 5, loss=3.0, best=5)
    save(checkpoints, 10, loss=2.0, best=10)
    for step in (15, 20, 25):
        save(checkpoints, step, loss=2.5 if step == 20 else None, best=10)
    assert steps(checkpoints) == [10, 20, 25]


def test_the_best_is_that_of_the_lowest_loss_and_the_latest_where_none_was_measured(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 5)
    save(checkpoints, 10)
    assert checkpoints.best() == checkpoints.latest()
    save(checkpoints, 15, loss=2.0, best=15)
    save(checkpoints, 20, loss=2.1, best=15)
    best = checkpoints.best()
    assert best is not None
    assert best.progress.step == 15


def test_a_loss_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 5, loss=float("nan"))
    assert checkpoints.best() == checkpoints.latest()
    save(checkpoints, 10, loss=3.0)
    save(checkpoints, 15, loss=float("inf"))
    best = checkpoints.best()
    assert best is not None
    assert best.progress.step == 10


def test_a_checkpoint_half_written_is_none(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    save(checkpoints, 5)
    (checkpoints.staging / "checkpoint-10").mkdir(parents=True)
    (tmp_path / "step-000010").mkdir()
    assert steps(checkpoints) == [5]
    checkpoints.prepare()
    assert not checkpoints.staging.exists()


def test_there_is_nothing_to_go_on_from_in_a_new_folder(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").latest() is None
    assert Checkpoints(tmp_path / "none").best() is None

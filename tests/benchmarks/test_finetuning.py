"""The arithmetic of the fine-tuning benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.preset import load_preset
from tests.benchmarks.finetuning import Outcome, _dataset, _random_preset
from training.chats import read_chats


def outcome(losses: dict[int, float], seconds: float = 10.0) -> Outcome:
    steps = [
        {"step": step, "seconds": seconds, "tokens_per_second": 100.0 * step, "peak_memory": 1}
        for step in range(1, 6)
    ]
    return Outcome(steps, [{"step": step, "loss": loss} for step, loss in losses.items()], answers=0.5)


def test_the_rate_is_the_median_without_the_first_step_and_of_answers_their_share() -> None:
    assert outcome({5: 1.0}).tokens_per_second == 350
    assert outcome({5: 1.0}).answer_tokens_per_second == 175


def test_a_loss_between_two_evaluations_is_reached_between_them() -> None:
    assert outcome({1: 4.0, 3: 3.0, 5: 2.0}).seconds_until(2.5) == pytest.approx(40)


def test_a_loss_reached_at_the_first_evaluation_is_taken_as_reached_then() -> None:
    assert outcome({1: 4.0, 3: 3.0}).seconds_until(4.5) == 10


def test_a_loss_that_is_never_reached_has_no_time() -> None:
    assert outcome({1: 4.0, 5: 3.0}).seconds_until(2.0) is None


def test_the_chats_are_of_many_languages(tmp_path: Path) -> None:
    folder = _dataset(tmp_path, 24, whole=False)
    chats = read_chats(folder / "splits" / "train.jsonl")
    assert len({chat.language for chat in chats}) == 24
    assert {len(chat.messages) for chat in chats} == {2}


def test_the_shape_is_that_of_the_preset_and_the_weights_are_random(tmp_path: Path) -> None:
    preset = load_preset(_random_preset("llama3-8b", tmp_path))
    assert (preset.base.source, preset.base.repo, preset.adapter) == ("random", None, None)
    assert preset.base.shape == load_preset("llama3-8b").base.shape

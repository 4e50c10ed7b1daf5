"""The loss curves: what they say of short runs and long ones."""

from __future__ import annotations

import random
import statistics

import pytest

from training.finetuning.curves import loss_figure, smoothed


def test_a_short_run_is_shown_as_it_was() -> None:
    losses = [14.0, 7.0, 2.0, 0.3, 0.01]
    assert smoothed(losses) == losses


def test_a_long_run_is_smoothed_and_neither_lags_far_nor_leans_to_zero() -> None:
    noise = random.Random(1)
    losses = [2.0 + noise.gauss(0, 0.3) for _ in range(400)]
    found = smoothed(losses)
    assert statistics.stdev(found[50:]) < 0.5 * statistics.stdev(losses)
    assert found[0] == pytest.approx(losses[0])
    fallen = smoothed([4.0] * 100 + [1.0] * 100)
    assert fallen[-1] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("steps", [1, 2, 20])
def test_steps_are_whole_numbers_however_few_there_are(steps: int) -> None:
    events = [{"event": "step", "step": n + 1, "loss": 3.0 / (n + 1)} for n in range(steps)]
    (axes,) = loss_figure(events, "autumn", dark=True).axes
    low, high = axes.get_xlim()
    assert all(tick == int(tick) for tick in axes.get_xticks() if low <= tick <= high)
    line = axes.get_lines()[-1]
    assert len(line.get_xdata()) == steps
    assert (line.get_marker() == "o") == (steps == 1)


def test_ktos_loss_has_a_scale_of_its_own_beside_the_held_out_one() -> None:
    steps = [{"event": "step", "step": n, "loss": 0.5, "kl": 0.1} for n in range(1, 9)]
    events = [*steps, {"event": "evaluation", "step": 8, "loss": 14.0}]
    above, below = loss_figure(events, "autumn", dark=True).axes
    assert above.get_ylim()[1] < 2 < below.get_ylim()[0]
    assert above.get_ylabel() == "KTO"
    assert below.get_ylabel() == "nats a token"

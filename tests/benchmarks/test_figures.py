"""The arithmetic of the worker's benchmark, and what it makes of a target."""

from __future__ import annotations

import json
import math

import pytest

from tests.benchmarks.figures import (
    Answered,
    Figures,
    Round,
    Verdict,
    exit_status,
    known,
    one_after_the_other,
    percentile,
    ratios,
    spread,
)
from tests.benchmarks.gpu_shape import ceiling_share
from tests.benchmarks.report import verdicts
from tests.benchmarks.sharing import Sharing


def round_of(*arrivals: tuple[float, ...], seconds: float = 2.0) -> Round:
    return Round(tuple(Answered(each, len(each)) for each in arrivals), seconds)


def figures(way: str, streams: int, *speeds: float) -> Figures:
    rounds = [Round((Answered((0.1, 0.2), 100),), 100 / speed) for speed in speeds]
    return Figures(way, streams, rounds)


@pytest.mark.parametrize(
    ("share", "expected"), [(0, 1.0), (0.5, 3.0), (0.95, 4.8), (1, 5.0), (0.25, 2.0), (0.9, 4.6)]
)
def test_percentiles_lie_between_their_neighbours(share: float, expected: float):
    assert percentile([5, 3, 1, 4, 2], share) == pytest.approx(expected)


def test_there_is_no_percentile_of_nothing():
    assert math.isnan(percentile([], 0.5))
    assert known(percentile([], 0.5)) is None
    assert percentile([7.0], 0.95) == 7.0


def test_a_rounds_speed_is_its_tokens_in_its_time():
    measured = round_of((0.5, 0.7, 1.1), (0.6, 2.0))
    assert measured.tokens_per_second == 2.5
    assert measured.answers[0].first == 0.5
    assert measured.answers[0].gaps == pytest.approx([0.2, 0.4])


def test_requests_in_turn_wait_for_those_before_and_are_no_faster_together():
    alone = round_of((0.5, 1.0), seconds=1.0)
    many = one_after_the_other(alone.answers, alone.seconds, 4)
    assert [answer.first for answer in many.answers] == [0.5, 1.5, 2.5, 3.5]
    assert many.tokens_per_second == alone.tokens_per_second == 2.0


def test_percentiles_are_taken_over_all_rounds_and_speeds_by_round():
    both = Figures(
        "engine", 2, [round_of((0.1, 0.3), (0.2, 0.4)), round_of((0.5, 0.9), (0.7, 0.9), seconds=4)]
    )
    summary = both.summary()
    assert summary["ttft"]["p50"] == pytest.approx(0.35)
    assert summary["inter_token"]["p95"] == pytest.approx(percentile([0.2, 0.2, 0.4, 0.2], 0.95))
    assert summary["tokens_per_second"] == {"median": 1.5, "min": 1.0, "max": 2.0}


def test_what_was_not_measured_is_null_in_json():
    text = json.dumps(Figures("generate", 1, [round_of(())]).summary(), allow_nan=False)
    assert json.loads(text)["ttft"] == {"p50": None, "p95": None}
    assert spread([]) == {"median": None, "min": None, "max": None}


def test_ratios_are_taken_within_a_round():
    # The machine was half as fast in the second round, for both.
    assert ratios([100, 50, 90], [20, 10, 30]) == [5, 5, 3]
    assert ratios([100, 50], [20]) == [5]


@pytest.mark.parametrize(
    ("values", "at_least", "met"),
    [
        ((3.9, 4.0, 9.0), True, True),
        ((3.9, 3.9, 9.0), True, False),
        ((0.02, 0.03, 0.5), False, True),
        ((0.031,), False, False),
        ((), True, None),
    ],
)
def test_the_median_decides_on_a_target(values: tuple[float, ...], at_least: bool, met: bool | None):
    bound = 4.0 if at_least else 0.03
    verdict = Verdict("something", bound, values, at_least)
    assert verdict.met is met
    assert ("MISSED" in verdict.line(), "not measured" in verdict.line()) == (met is False, met is None)


@pytest.mark.parametrize(
    ("missing", "required", "status"), [(False, True, 0), (True, True, 1), (True, False, 0)]
)
def test_only_required_targets_fail_the_run(missing: bool, required: bool, status: int):
    judged = [Verdict("one", 1.0, (2.0,)), Verdict("two", 1.0, (0.5,) if missing else (1.0,))]
    assert exit_status(judged, require=required) == status


def test_a_required_target_that_was_not_measured_fails_the_run():
    assert exit_status([Verdict("one", 1.0, ())], require=True) == 1


def measured(**changes: float) -> dict[tuple[str, int], Figures]:
    speeds = {"article": 10.0, "generate": 10.0, "peer": 40.0, "worker": 80.0, "alone": 12.0} | changes
    return {
        ("article", 1): figures("article", 1, speeds["article"]),
        ("generate", 1): figures("generate", 1, speeds["generate"]),
        ("transformers-serve", 16): figures("transformers-serve", 16, speeds["peer"]),
        ("worker", 16): figures("worker", 16, speeds["worker"]),
        ("engine", 1): figures("engine", 1, speeds["alone"]),
    }


QUICK = Sharing(1000, (0.02, 0.03), (0.1, 0.1))


def test_a_run_that_reaches_every_target_is_told_so():
    assert [verdict.met for verdict in verdicts(measured(), {16: [0.02]}, QUICK)] == [True] * 5


@pytest.mark.parametrize(
    ("place", "figures", "loop", "sharing"),
    [
        (0, measured(worker=39.0, peer=20.0), 0.02, QUICK),
        (1, measured(peer=81.0), 0.02, QUICK),
        (2, measured(alone=9.4), 0.02, QUICK),
        (3, measured(), 0.04, QUICK),
        (4, measured(), 0.02, Sharing(1000, (0.09,), (0.1,))),
    ],
)
def test_each_target_can_be_missed_by_itself(place: int, figures: dict, loop: float, sharing: Sharing):
    judged = verdicts(figures, {16: [loop]}, sharing)
    assert [verdict.met for verdict in judged] == [number != place for number in range(5)]


def test_what_was_left_out_is_not_measured():
    assert {verdict.met for verdict in verdicts({}, {}, None)} == {None}


def test_the_ceiling_is_as_many_steps_as_the_weights_can_be_read():
    # Between 1.0 and 2.0 s both answers are under way: ten steps, of weights that 20 steps a second could read.
    answers = (tuple(1 + step / 10 for step in range(11)), tuple(0.9 + step / 10 for step in range(12)))
    assert ceiling_share(round_of(*answers), 100, 2000.0) == pytest.approx(0.5)
    assert math.isnan(ceiling_share(round_of((1.0,), (2.0,)), 100, 2000.0))

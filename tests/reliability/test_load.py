"""What the load run makes of its measurements."""

from __future__ import annotations

from dataclasses import replace

import psutil

from tests.benchmarks.figures import exit_status
from tests.reliability.load import Load
from tests.reliability.load_figures import STAGES, Flood, Report, Turn
from tests.reliability.load_machine import Machine


def turn(member: int, wait: float) -> Turn:
    """Asked at 100, queued and claimed within that wait, and answered in ten seconds."""
    return Turn(member, 100, 100.1, 100 + wait, 100.1 + wait, 100.2 + wait, 110 + wait, 110.2 + wait)


FLOOD = Flood(
    asked=60, answered=40, refused=20, refusals=[0.2, 0.3], flooded=15, flood_seconds=0.5, recovered=0.4
)
REPORT = Report(
    options=vars(Load(members=3)),
    turns=[turn(member, 10.0) for member in range(3) for _ in range(3)],
    asked=12,
    seconds=600,
    problems=[],
    flood=FLOOD,
    requests=100,
    too_many={},
    memory_peak=180.0,
    memory_growth=0.1,
    cpu={"bot": 0.3},
    standing=0.0,
    load=[0.5],
    late=[0.001],
)


def missed(report: Report) -> list[str]:
    """The targets that are not met."""
    return [verdict.target for verdict in report.verdicts if not verdict.met]


def test_a_run_in_which_all_is_well_passes() -> None:
    assert missed(REPORT) == []
    assert exit_status(REPORT.verdicts, require=True) == 0
    assert "latencies are not judged" not in REPORT.text()
    assert set(REPORT.document()["stages"]) == set(STAGES)


def test_each_target_that_is_missed_is_found() -> None:
    late = replace(turn(2, 10.0), first_text=112.0, whole=125.0)
    cases = {
        "lost, doubled or stuck": replace(REPORT, problems=["1 jobs are stuck"]),
        "answers of each member": replace(REPORT, turns=REPORT.turns[:-1]),
        "mean wait in the queue, in seconds": replace(
            REPORT, turns=[turn(member, 0.3) for member in range(3) for _ in range(3)]
        ),
        "longest mean wait of a member to the mean": replace(
            REPORT, turns=[*REPORT.turns, *[turn(2, 60.0) for _ in range(3)]]
        ),
        "p95 of the first text after the first token, in seconds": replace(
            REPORT, turns=[*REPORT.turns[:-1], late]
        ),
        "the bot's memory at its peak, in MB": replace(REPORT, memory_peak=300.0),
        "growth of the bot's memory at the end, in MB a minute": replace(REPORT, memory_growth=2.0),
        "429 answers": replace(REPORT, too_many={"POST /channels/…/messages, its own limit": 1}),
        "neither answered nor refused, of too many": replace(REPORT, flood=replace(FLOOD, answered=39)),
        "refused, of too many": replace(REPORT, flood=replace(FLOOD, answered=60, refused=0)),
        "p95 of a refusal, in seconds": replace(REPORT, flood=replace(FLOOD, refusals=[5.0])),
        "told a second, of too many at one instant": replace(REPORT, flood=replace(FLOOD, flood_seconds=9.0)),
        "first text once the queue is empty, in seconds": replace(
            REPORT, flood=replace(FLOOD, recovered=9.0)
        ),
    }
    for target, report in cases.items():
        assert target in missed(report)
        assert exit_status(report.verdicts, require=True) == 1


def test_on_a_machine_that_others_use_latencies_are_told_but_not_judged() -> None:
    report = replace(REPORT, standing=0.4, flood=replace(FLOOD, recovered=60.0))
    assert missed(report) == []
    assert "for 40 % of the time others had the cores" in report.text()
    assert report.document()["too_busy_to_judge_latencies"]
    assert missed(replace(report, problems=["an answer was lost"])) == ["lost, doubled or stuck"]


def test_growth_and_shares_are_those_of_the_time_asked_for() -> None:
    machine = Machine({"bot": psutil.Process()})
    machine.memory = [(0.0, 100.0), (60.0, 150.0), (120.0, 151.0), (180.0, 152.0)]
    assert round(machine.growth(60.0, 180.0), 6) == 1.0
    machine.cpu = [(0.0, {"bot": 1.0, "all": 10.0}), (10.0, {"bot": 4.0, "all": 25.0})]
    assert machine.shares(0.0, 10.0) == {"bot": 0.3, "others": 1.2}
    machine.queued = [(0.0, 1.0), (10.0, 6.0)]
    assert machine.standing(0.0, 10.0) == 0.5
    assert Machine({"bot": psutil.Process()}).standing(0.0, 10.0) is None

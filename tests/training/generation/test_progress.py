"""What is shown while a run goes on: a bar per stage, with rate and time left."""

from __future__ import annotations

import io

from rich.console import Console

from training.generation.progress import Progress, Tally, clock
from training.generation.stages import Stage


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(tally: Tally) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(Progress(tally, lambda: "7 of 8 calls under way, $0.0100 of $5.00", console).picture())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_each_stage_has_its_rate_and_the_time_it_will_take() -> None:
    time = Clock()
    tally = Tally({Stage.FIRST_ANSWERS: 400, Stage.SECOND_ANSWERS: 400, Stage.THIRD_ANSWERS: 0}, time)
    for number in range(101):
        time.now = 10 + number / 2
        tally.done(Stage.FIRST_ANSWERS, str(number), fresh=True)
        tally.done(Stage.FIRST_ANSWERS, str(number), fresh=True)
    tally.bad(Stage.FIRST_ANSWERS, "cut off")
    first, second, status, *_ = shown(tally).splitlines()
    assert first.split()[:2] == ["first", "answers"]
    for part in ("101/400", "2.0/s", "2:30 left", "1 bad"):
        assert part in first
    assert "0/400" in second
    assert status.split() == ["1:00", "7", "of", "8", "calls", "under", "way,", "$0.0100", "of", "$5.00"]


def test_what_an_earlier_run_did_counts_but_says_nothing_of_the_rate() -> None:
    time = Clock()
    tally = Tally({Stage.FIRST_ANSWERS: 100}, time)
    for number in range(50):
        tally.done(Stage.FIRST_ANSWERS, f"kept {number}", fresh=False)
    assert "50/100" in shown(tally)
    assert "left" not in shown(tally)
    for number in range(2):
        time.now += 60
        tally.done(Stage.FIRST_ANSWERS, f"new {number}", fresh=True)
    assert "1.0/min" in shown(tally)
    assert "48:00 left" in shown(tally)


def test_times_are_written_like_a_clock_s() -> None:
    assert [clock(seconds) for seconds in (0, 59.6, 3723)] == ["0:00", "1:00", "1:02:03"]

"""How a run ended, and the exit status that says so."""

from __future__ import annotations

from enum import IntEnum

from training.generation.errors import BudgetReached, Interrupted, Stopped


class Outcome(IntEnum):
    """The exit status of a run. 2 is argparse's and everything that keeps a run from beginning."""

    COMPLETE = 0
    """Every chat was written or given up."""
    INCOMPLETE = 1
    """The server failed; the same command goes on."""
    CHANGED = 3
    """The configuration is not that of the folder's earlier runs."""
    BUDGET = 4
    """The next call could have exceeded `--max-usd`."""
    INTERRUPTED = 130

    @property
    def words(self) -> str:
        return {
            Outcome.COMPLETE: "complete",
            Outcome.INCOMPLETE: "incomplete: the same command goes on where this stopped",
            Outcome.CHANGED: "not begun: the configuration has changed",
            Outcome.BUDGET: "stopped at the budget: the same command with a higher --max-usd goes on",
            Outcome.INTERRUPTED: "interrupted: the same command goes on where this stopped",
        }[self]


def outcome_of(stopped: Stopped | None, *, left: int) -> Outcome:
    """The outcome of a run that was stopped for this reason, or not, with so many chats left to be done."""
    if isinstance(stopped, BudgetReached):
        return Outcome.BUDGET
    if isinstance(stopped, Interrupted):
        return Outcome.INTERRUPTED
    return Outcome.INCOMPLETE if stopped is not None or left else Outcome.COMPLETE

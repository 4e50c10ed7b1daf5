"""What is worth counting, told as it happens. Nothing is counted here: that is what an operator switches on."""

from __future__ import annotations

from typing import Literal

Outcome = Literal["complete", "stopped", "failed", "blocked", "cancelled"]
LookUp = Literal["found", "nothing", "away"]
Trouble = Literal["away", "fault", "handed_back"]


class Events:
    """Called where something happens; each call takes microseconds and never raises."""

    def claimed(self, waited_seconds: float) -> None:
        """A request's turn has come, for the first time."""

    def first_text(self, seconds: float) -> None:
        """The first text of an answer is stored, and shown at once: so long after it was asked for."""

    def ended(self, outcome: Outcome, seconds: float) -> None:
        """An answer has ended, so long after it was asked for."""

    def put_back(self, trouble: Trouble) -> None:
        """A request went back to the queue: the worker is away, something stumbled, or the bot stops."""

    def wrong_language(self, *, kept: bool) -> None:
        """An answer came out in a wrong language; one that is `kept` was not written anew."""

    def looked_up(self, result: LookUp) -> None:
        """Wikipedia was asked."""

    def discord_answered(self, method: str, status: int, scope: str | None) -> None:
        """Discord has answered a request; `scope` is whose limit was met, with 429."""

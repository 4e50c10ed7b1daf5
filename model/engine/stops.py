"""Where an answer begins and ends: stop strings, and the white space that a transcript puts around it.

Works on text as it streams in; it knows nothing of tokens.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Watches one answer. The text shown never contains a stop string nor any part of the one that ended
    it."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.hit: str | None = None
        """The stop string that ended the answer."""

    def feed(self, text: str) -> str:
        """The text that may be shown now; nothing more after a hit."""
        if self.hit is not None:
            return ""
        if not self._stops:
            return text
        self._held += text
        found = [(at, -len(stop), stop) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            at, _, self.hit = min(found)
            shown, self._held = self._held[:at], ""
            return shown
        keep = self._possible_beginning()
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown

    def finish(self) -> str:
        """The answer has ended: what was held back is text after all."""
        rest, self._held = self._held, ""
        return rest

    def _possible_beginning(self) -> int:
        """How many of the last characters may be the beginning of a stop string."""
        longest = min(len(self._held), max(map(len, self._stops)) - 1)
        for length in range(longest, 0, -1):
            tail = self._held[-length:]
            if any(stop.startswith(tail) for stop in self._stops):
                return length
        return 0


class Margins:
    """Drops white space in front of an answer, and behind one that has ended by itself."""

    def __init__(self, *, begun: bool) -> None:
        """`begun`: the text goes on with what stands already, so that its first space counts."""
        self._begun = begun
        self._held = ""

    def feed(self, text: str) -> str:
        """The text that may be shown now; white space is held back until something follows."""
        self._held += text if self._begun else text.lstrip()
        self._begun = self._begun or bool(self._held)
        shown = self._held.rstrip()
        self._held = self._held[len(shown) :]
        return shown

    def finish(self, *, complete: bool) -> str:
        """`complete`: the answer has ended by itself, and nobody will go on with it."""
        rest, self._held = self._held, ""
        return "" if complete else rest

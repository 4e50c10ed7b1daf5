"""Breaking lines between words while a text streams in, as a terminal by itself does not."""

from __future__ import annotations

from rich.cells import cell_len

_LONGEST_HELD = 24
"""Cells of a word that are held back at most; scripts without blanks have words as long as sentences."""
_JOINER = "\u200d"


class WordWrap:
    """Wraps one text to a width in cells. A word is held back until it is known whether it fits its line.

    Between two wide characters, those of Chinese or Japanese, a line may be broken as well.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._column = 0
        self._word = ""

    def feed(self, text: str) -> str:
        """What may be shown now."""
        return "".join([self._take(character) for character in text])

    def finish(self) -> str:
        """The text has ended: the last word."""
        word, self._word = self._word, ""
        cells = cell_len(word)
        begin = "\n" if self._column and self._column + cells > self._width else ""
        self._column = cells if begin else self._column + cells
        return begin + word

    def _take(self, character: str) -> str:
        if character == "\n":
            shown = self.finish() + "\n"
            self._column = 0
            return shown
        if character.isspace():
            shown = self.finish()
            self._column += 1
            return shown + character if self._column < self._width else shown + self._broken()
        shown = ""
        if (cell_len(character) == 2 and not self._word.endswith(_JOINER)) or (
            cell_len(self._word) >= _LONGEST_HELD
        ):
            shown = self.finish()
        self._word += character
        return shown

    def _broken(self) -> str:
        self._column = 0
        return "\n"

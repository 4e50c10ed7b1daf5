"""What a chat shows: in colours on a terminal, as bare text into a pipe.

Text from a model or from Wikipedia is shown without control characters, which could move the cursor or worse.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Protocol, TextIO

from model.terminal.wrapping import WordWrap
from model.wikipedia import LICENCE, Page

if TYPE_CHECKING:
    from rich.console import Console

_EXTRACT = 600
"""Characters of a page that are shown; the model gets all."""
_JOINERS = "\u200c\u200d"


class Screen(Protocol):
    """Where a chat is shown."""

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """Show that something is being waited for, until the block ends."""

    def write(self, text: str) -> None:
        """A piece of an answer, as it comes."""

    def end_answer(self, *, stopped: bool) -> None:
        """The answer is over."""

    def page(self, page: Page) -> None:
        """A page that was looked up."""

    def note(self, text: str) -> None:
        """Something that the program itself has to say."""

    def error(self, text: str) -> None:
        """Something that went wrong."""

    def rows(self, rows: Iterable[tuple[str, ...]]) -> None:
        """A small table."""


def printable(text: str) -> str:
    """Text without what a terminal would obey: control characters other than line ends and tabs."""
    return "".join(
        c for c in text if c in "\n\t" or c in _JOINERS or unicodedata.category(c) not in {"Cc", "Cs"}
    )


def _source(page: Page) -> str:
    return page.url or "FanFabler's own notes"


class PlainScreen:
    """Answers on standard output, all else on standard error."""

    def __init__(self, out: TextIO | None = None, aside: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._aside = aside or sys.stderr
        self._written = ""

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """Nothing is shown."""
        return nullcontext()

    def write(self, text: str) -> None:
        """A piece of an answer, at once."""
        shown = printable(text)
        if shown:
            self._written = shown
            self._out.write(shown)
            self._out.flush()

    def end_answer(self, *, stopped: bool) -> None:
        """End the line."""
        if self._written and not self._written.endswith("\n"):
            self._out.write("\n")
            self._out.flush()
        self._written = ""

    def page(self, page: Page) -> None:
        """One line about it."""
        self._say(f"Looked up: {page.title} ({page.language}), {_source(page)}, {LICENCE}")

    def note(self, text: str) -> None:
        """One line."""
        self._say(text)

    def error(self, text: str) -> None:
        """One line."""
        self._say(text)

    def rows(self, rows: Iterable[tuple[str, ...]]) -> None:
        """A line for each, its cells separated by tabs."""
        for row in rows:
            self._say("\t".join(row))

    def _say(self, text: str) -> None:
        print(printable(text), file=self._aside, flush=True)


class RichScreen:
    """A terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._wrap: WordWrap | None = None

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """A line with a spinner."""
        return self._console.status(f"[dim]{_escaped(what)} …[/]")

    def write(self, text: str) -> None:
        """A piece of an answer, its lines broken between words."""
        shown = printable(text)
        if not shown:
            return
        if self._wrap is None:
            self._console.print()
            self._wrap = WordWrap(self._console.width)
        self._out(self._wrap.feed(shown))

    def end_answer(self, *, stopped: bool) -> None:
        """An empty line, and whether it was stopped."""
        if self._wrap is not None:
            self._out(self._wrap.finish() + "\n")
        if stopped:
            self._console.print("[dim]⏹ stopped[/]")
        self._console.print()
        self._wrap = None

    def _out(self, text: str) -> None:
        self._console.out(text, end="", highlight=False)
        self._console.file.flush()

    def page(self, page: Page) -> None:
        """A panel with the beginning of the page, its address and its licence."""
        from rich.panel import Panel
        from rich.text import Text

        extract = printable(page.extract)
        if len(extract) > _EXTRACT:
            extract = extract[:_EXTRACT].rsplit(" ", 1)[0] + " …"
        body = Text(extract)
        body.append(f"\n\n{printable(_source(page))} · {LICENCE}", style="dim")
        title = Text.assemble("🔎 ", (printable(page.title), "bold"), f" ({page.language})")
        self._console.print(Panel(body, title=title, title_align="left", border_style="cyan"))

    def note(self, text: str) -> None:
        """A dim line."""
        self._console.print(f"[dim]{_escaped(text)}[/]", highlight=False)

    def error(self, text: str) -> None:
        """A red line."""
        self._console.print(f"[red]{_escaped(text)}[/]", highlight=False)

    def rows(self, rows: Iterable[tuple[str, ...]]) -> None:
        """Columns."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for row in rows:
            table.add_row(*[Text(printable(cell)) for cell in row])
        self._console.print(table)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(printable(text))

"""A table once, for the terminal, for Markdown and for HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table as RichTable

Cell = str | int | float


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers stand at the right, with thousands set apart and one decimal. The last `totals` rows are sums."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    totals: int = field(default=0)

    def rich(self) -> RichTable:
        """For the terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(
            title=self.title, title_justify="left", box=SIMPLE_HEAD, title_style="bold", pad_edge=False
        )
        for place, name in enumerate(self.columns):
            # Where the terminal is narrow, heads and prose are broken, numbers never.
            widest = max((len(_text(row[place])) for row in self.rows), default=0)
            numeric = self._is_numeric(place)
            table.add_column(
                name,
                justify="right" if numeric else "left",
                min_width=widest if widest <= 16 else None,
                overflow="fold",
            )
        for number, row in enumerate(self.rows):
            if self.totals and number == len(self.rows) - self.totals:
                table.add_section()
            table.add_row(*(Text(_text(cell)) for cell in row))
        return table

    def markdown(self) -> str:
        """Without the title, columns not padded, so that a changed number changes one line."""
        rules = ["---:" if self._is_numeric(place) else "---" for place in range(len(self.columns))]
        lines = [
            self.columns,
            rules,
            *([_text(cell).replace("|", "\\|") for cell in row] for row in self.rows),
        ]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def html(self) -> str:
        """A `<table>` with its title as caption."""
        kinds = ["number" if self._is_numeric(place) else "" for place in range(len(self.columns))]
        head = "".join(
            f'<th class="{kind}">{html.escape(name)}</th>'
            for name, kind in zip(self.columns, kinds, strict=True)
        )
        body = []
        for number, row in enumerate(self.rows):
            sums = ' class="sum"' if number >= len(self.rows) - self.totals else ""
            cells = "".join(
                f'<td class="{kind}" dir="auto">{html.escape(_text(cell))}</td>'
                for cell, kind in zip(row, kinds, strict=True)
            )
            body.append(f"<tr{sums}>{cells}</tr>")
        caption = f"<caption>{html.escape(self.title)}</caption>" if self.title else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"

    def _is_numeric(self, place: int) -> bool:
        return bool(self.rows) and all(
            isinstance(row[place], int | float) or row[place] == "" for row in self.rows
        )


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:,.1f}"
    return f"{cell:,}" if isinstance(cell, int) else cell

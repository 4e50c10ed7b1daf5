"""The plots of a validation's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.checks.finding import KINDS
from training.checks.validation import Outcome
from training.plots import (
    WIDTH,
    heat_map,
    look,
    new_figure,
    number_beside,
    rows_height,
    stacked_bars,
    style,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style()
def kept_by_language(outcome: Outcome) -> Figure:
    """Rows kept and dropped."""
    codes = outcome.languages()
    counts = [outcome.counts(code) for code in codes]
    figure, axes = new_figure(WIDTH, rows_height(len(codes)) + 0.3, "Rows kept and dropped by language")
    parts = {
        "kept": [float(kept) for kept, _ in counts],
        "dropped": [float(dropped) for _, dropped in counts],
    }
    stacked_bars(axes, codes, parts, colours=(look().good, look().bad))
    axes.set_xlabel("rows")
    return figure


@style()
def reasons_by_language(outcome: Outcome) -> Figure:
    """Rows in which each check found something, by language."""
    reasons = outcome.reasons()
    checks = [check for check in KINDS if any(found == check for _, found in reasons)]
    codes = [code for code in outcome.languages() if outcome.counts(code)[1]]
    width = max(0.36 * len(checks) + 1.6, 4)
    figure, axes = new_figure(width, rows_height(len(codes)) + 1, "Rows dropped, by check")
    heat_map(axes, codes, checks, [[float(reasons[code, check]) for check in checks] for code in codes])
    return figure


@style()
def catalogue_spread(outcome: Outcome) -> Figure:
    """In how many languages' lists the most widely loved works are."""
    works = list(outcome.spread.items())[:20]
    figure, axes = new_figure(WIDTH, rows_height(len(works)), "Works in more than five languages")
    counts = [float(len(codes)) for _, codes in works]
    stacked_bars(axes, [name for name, _ in works], {"languages": counts})
    for place, count in enumerate(counts):
        number_beside(axes, f"{count:.0f}", (count, place))
    axes.margins(x=0.06)
    axes.set_xlabel("languages")
    return figure

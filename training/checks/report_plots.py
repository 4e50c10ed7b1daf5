"""The plots of a validation's report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.checks.finding import KINDS
from training.checks.validation import Outcome
from training.plots import COLOURS, DROPPED, INK, KEPT, heat_map, new_figure, stacked_bars, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style()
def kept_by_language(outcome: Outcome) -> Figure:
    """Rows kept and dropped."""
    codes = outcome.languages()
    counts = [outcome.counts(code) for code in codes]
    figure, axes = new_figure(
        min(max(0.27 * len(codes) + 1.6, 5), 11), 3.2, "Rows kept and dropped by language"
    )
    parts = {
        "kept": [float(kept) for kept, _ in counts],
        "dropped": [float(dropped) for _, dropped in counts],
    }
    stacked_bars(axes, codes, parts, colours=(KEPT, DROPPED))
    axes.set_ylabel("rows")
    return figure


@style()
def reasons_by_language(outcome: Outcome) -> Figure:
    """Rows in which each check found something, by language."""
    reasons = outcome.reasons()
    checks = [check for check in KINDS if any(found == check for _, found in reasons)]
    codes = [code for code in outcome.languages() if outcome.counts(code)[1]]
    width = min(max(0.27 * len(codes) + 1.6, 4), 12)
    figure, axes = new_figure(width, 0.28 * len(checks) + 1, "Rows dropped, by check")
    heat_map(axes, checks, codes, [[float(reasons[code, check]) for code in codes] for check in checks])
    return figure


@style()
def catalogue_spread(outcome: Outcome) -> Figure:
    """In how many languages' lists the most widely loved works are."""
    works = list(outcome.spread.items())[:20][::-1]
    figure, axes = new_figure(8.5, 0.26 * len(works) + 1, "Works in more than five languages")
    axes.barh([name for name, _ in works], [len(codes) for _, codes in works], color=COLOURS[0], height=0.7)
    for place, (_, codes) in enumerate(works):
        axes.annotate(
            f"{len(codes)}",
            (len(codes), place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel("languages")
    return figure

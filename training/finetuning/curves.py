"""The loss curves of a run, for a light page and for a dark one (such as Discord)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.finetuning.metrics import Event
from training.plots import WIDTH, legend_above, look, new_figure, save_both, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_SMOOTHING = 0.9
"""Of the moving average over the training loss: the share of what was before, at most."""
_SMOOTHED_SHARE = 20
"""The average looks back over one part in so many of the run, so that it lags as little in a short one."""


def draw_curves(events: Sequence[Event], name: str, folder: Path) -> list[Path]:
    """Write `loss.png` and `loss-dark.png`. Raises `MissingExtra`."""
    return save_both(lambda: loss_figure(events, name), folder / "loss.png")


def loss_figure(events: Sequence[Event], name: str, *, dark: bool | None = None) -> Figure:
    """Training loss, its moving average, and the held-out loss, over the steps. `dark` as in `style`."""
    with style(dark=dark):
        return _drawn(events, name)


def _drawn(events: Sequence[Event], name: str) -> Figure:
    from matplotlib.patheffects import withStroke
    from matplotlib.ticker import MaxNLocator

    palette = look()
    steps = [(event["step"], event["loss"]) for event in events if event["event"] == "step"]
    held_out = [(event["step"], event["loss"]) for event in events if event["event"] == "evaluation"]
    figure, axes = new_figure(WIDTH, 4, f"Loss of {name}")
    below = axes
    # KTO's loss is no likelihood: it has a scale of its own.
    rated = any("kl" in event for event in events if event["event"] == "step")
    if rated and held_out:
        grid = figure.add_gridspec(2, 1)
        axes.set_subplotspec(grid[0])
        below = figure.add_subplot(grid[1], sharex=axes)
        axes.tick_params(labelbottom=False)
        below.grid(axis="y")
        below.set_ylabel("nats a token")
        below.margins(x=0.02, y=0.4)
    if steps:
        at, losses = zip(*steps, strict=True)
        axes.plot(at, losses, color=palette.good, alpha=0.35, linewidth=1)
        alone = "o" if len(steps) == 1 else None
        axes.plot(at, smoothed(losses), color=palette.good, linewidth=2, marker=alone, label="training")
    if held_out:
        colour = palette.series[1]
        at, losses = zip(*held_out, strict=True)
        below.plot(at, losses, color=colour, linewidth=2, marker="o", markersize=4.5, label="held out")
        best = min(held_out, key=lambda point: point[1])
        below.annotate(
            f"{best[1]:.3f}", best, textcoords="offset points", xytext=(0, 9), ha="right", color=palette.ink,
            weight="bold", path_effects=[withStroke(linewidth=3, foreground=palette.ground)],
        )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    below.set_xlabel("step")
    axes.set_ylabel("KTO" if rated else "nats a token")
    axes.grid(axis="y")
    axes.margins(x=0.02, y=0.12)
    if steps or held_out:
        legend_above(axes, 2)
    if below is not axes:
        below.legend(loc="upper left", frameon=False)
    return figure


def smoothed(values: Sequence[float]) -> list[float]:
    """An exponential moving average without the pull towards zero at its beginning; a few values stay as they are."""
    span = max(1.0, len(values) / _SMOOTHED_SHARE)
    kept = min(_MOST_SMOOTHING, 1 - 2 / (span + 1))
    average, weight, found = 0.0, 0.0, []
    for value in values:
        average = kept * average + (1 - kept) * value
        weight = kept * weight + (1 - kept)
        found.append(average / weight)
    return found

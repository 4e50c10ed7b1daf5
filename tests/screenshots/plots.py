"""The plots of the dataset, of a run and of an evaluation, light and dark: drawn of what is shipped, and of a short run
of the recipe `tiny`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.screenshots.files import keep
from training.chats import DATA
from training.evaluation.figures import Figures, Rate
from training.evaluation.report_plots import language_heat_map
from training.evaluation.result import Judgement, Result
from training.finetuning.curves import loss_figure
from training.finetuning.metrics import EventLog
from training.plots import save_both
from training.stats import count, llama_tokens
from training.stats_plots import property_types, tasks_by_language, tokens_by_language

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPORT = Path(__file__).parents[2] / "model" / "adapters" / "embedded" / "evaluation" / "report.json"
WIDTH = 800  # pixels


def draw_all(folder: Path, metrics: Path) -> None:
    """Every plot. `metrics` are those of a run, by the name of its folder."""
    stats = count(DATA, llama_tokens())
    events = EventLog(metrics).read()
    drawings: dict[str, Callable[[], Figure]] = {
        "dataset-tokens": partial(tokens_by_language, stats),
        "dataset-tasks": partial(tasks_by_language, stats),
        "dataset-works": partial(property_types, stats),
        "evaluation": partial(language_heat_map, evaluation(), upright=True),
        "loss": partial(loss_figure, events, metrics.parent.name),
    }
    for name, draw in drawings.items():
        for path in save_both(draw, folder / f"{name}.png"):
            print("wrote", keep(path, path.stem, width=WIDTH, flat=True))  # noqa: T201


def evaluation() -> Result:
    """The shipped adapter's evaluation, as its report has it."""
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    judged = {
        system: Judgement(
            _figures(found["overall"]), {code: _figures(each) for code, each in found["languages"].items()}
        )
        for system, found in report["answers"].items()
    }
    return Result(report["about"], judged, {})


def _figures(found: Mapping[str, Any]) -> Figures:
    return Figures(**{name: Rate(**found[name]) if found.get(name) else None for name in Figures.__slots__})

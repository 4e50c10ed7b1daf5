"""How a training run is shown: one message with a bar, figures and the loss curves. Values in, an embed out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import discord
from discord import ui
from discord.utils import escape_markdown

from bot.database.tables import RunStatus, TrainingRun
from bot.discord.admin.controls import AdminButton, Press
from bot.discord.colours import DONE, ERROR, OVER, WORKING
from bot.discord.operation_problems import trainer_trouble
from bot.operation.runs import UNDER_WAY, progress_in
from bot.text.length import shorten
from bot.trainer import Progress
from bot.words import Words, to_say

PANEL = "train"
CURVES_NAME = "loss.png"
_CELLS = 16
_ERROR_LENGTH = 900
_COLOURS = {
    RunStatus.SUCCEEDED: DONE,
    RunStatus.FAILED: ERROR,
    RunStatus.CANCELLED: OVER,
}
_STAGES = {
    "waiting for memory": to_say("⏳ It waits until the writing machine has given its memory away."),
    "training": to_say("🏋️ It is training."),
    "evaluating": to_say("🔎 The new adapter is being examined in all languages."),
    "finishing": to_say("📦 The adapter is being put in its place."),
}
_ENDS = {
    RunStatus.SUCCEEDED: to_say("✅ Done. The new adapter is there, and nobody gets answers from it yet."),
    RunStatus.FAILED: to_say("❌ It failed. What is served now is as it was."),
    RunStatus.CANCELLED: to_say("⏹️ It was stopped. What is served now is as it was."),
}


def bar(share: float) -> str:
    """A bar of so much of a whole, and the per cent."""
    share = min(1.0, max(0.0, share))
    full = int(share * _CELLS)
    return "▰" * full + "▱" * (_CELLS - full) + f" {int(share * 100)} %"


def status_embed(words: Words, run: TrainingRun, trouble: Exception | None = None) -> discord.Embed:
    """Where a run is. `trouble`: why the trainer could not be asked just now."""
    embed = discord.Embed(
        title=words.say("Training run {number}: {name}", number=words.number(run.id), name=run.name),
        description="\n".join(_lines(words, run, trouble)),
        colour=_COLOURS.get(run.status, WORKING),
    )
    progress = progress_in(run)
    if progress is not None:
        for name, value in _figures(words, run, progress):
            embed.add_field(name=name, value=value)
    embed.set_footer(text=footer(words, run))
    return embed


def footer(words: Words, run: TrainingRun) -> str:
    """What is trained on what."""
    parts = [
        words.say("Recipe: {recipe}", recipe=run.recipe),
        words.say("Data: {dataset}", dataset=run.dataset),
    ]
    if run.rated_file is not None:
        parts.append(words.say("Rated answers: {dataset}", dataset=run.rated_file))
    return " · ".join(parts)


def _lines(words: Words, run: TrainingRun, trouble: Exception | None) -> list[str]:
    lines = []
    progress = progress_in(run)
    if run.status in _ENDS:
        lines.append(words.say(_ENDS[run.status]))
    elif progress is not None and progress.stage in _STAGES:
        lines.append(words.say(_STAGES[progress.stage]))
    else:
        lines.append(words.say("⏳ It waits for its turn at the trainer."))
    if progress is not None and progress.steps and run.status in UNDER_WAY:
        lines.append(bar((progress.step or 0) / progress.steps))
    if run.error and run.status == RunStatus.FAILED:
        lines.append(f">>> {escape_markdown(shorten(run.error, _ERROR_LENGTH))}")
    if trouble is not None and run.status in UNDER_WAY:
        lines.append("⚠️ " + trainer_trouble(words, trouble))
    return lines


def _figures(words: Words, run: TrainingRun, progress: Progress) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if progress.step is not None and progress.steps:
        step, steps = words.number(progress.step), words.number(progress.steps)
        found.append((words.say("Step"), f"{step} / {steps}"))
    if progress.loss is not None:
        found.append((words.say("Loss"), words.number(round(progress.loss, 3))))
    if progress.held_out_loss is not None:
        found.append((words.say("Held-out loss"), words.number(round(progress.held_out_loss, 3))))
    if run.status not in UNDER_WAY:
        return found
    if progress.tokens_per_second is not None:
        found.append((words.say("Tokens a second"), words.number(round(progress.tokens_per_second))))
    if progress.seconds_left is not None:
        found.append((words.say("Time left"), words.span(progress.seconds_left)))
    return found


def cancel_button(words: Words, run: TrainingRun) -> ui.View | None:
    """«Stop it», while there is something to stop."""
    if run.status not in UNDER_WAY:
        return None
    view = ui.View(timeout=None)
    press = Press(PANEL, "cancel", str(run.id))
    view.add_item(AdminButton(press, label=words.say("Stop it"), emoji="⏹️", style=discord.ButtonStyle.danger))
    return view


def proposal_text(words: Words, run: TrainingRun) -> str:
    """What a run would take, before it is begun."""
    expected: Mapping[str, Any] = run.expected
    lines = [
        words.say(
            "This would be training run {number}: {name}", number=words.number(run.id), name=f"**{run.name}**"
        ),
        f"-# {footer(words, run)}",
        words.plural("- {n} row", "- {n} rows", int(expected.get("rows") or 0)),
        words.plural("- {n} step", "- {n} steps", int(expected.get("steps") or 0)),
    ]
    seconds = expected.get("seconds")
    if seconds is None:
        lines.append(words.say("- how long it takes I cannot say yet: none of the kind has been timed there"))
    else:
        lines.append(words.say("- it should take about {span}", span=words.span(float(seconds))))
    if run.start_adapter is not None:
        lines.append(words.say("- it begins with the adapter {adapter}", adapter=run.start_adapter))
    if expected.get("compare_with"):
        lines.append(
            words.say(
                "- at the end it is set beside {adapter}, which is in use", adapter=expected["compare_with"]
            )
        )
    lines.append(
        words.say(
            "Where trainer and writing machine share a graphics card, members wait meanwhile, and are told. Shall I "
            "begin?"
        )
    )
    return "\n".join(lines)


def begin_button(words: Words, run: TrainingRun) -> ui.View:
    """«Begin», under what a run would take."""
    view = ui.View(timeout=None)
    press = Press(PANEL, "begin", str(run.id))
    view.add_item(AdminButton(press, label=words.say("Begin"), emoji="🏋️", style=discord.ButtonStyle.success))
    return view

"""How an evaluation is shown: the figures beside the adapter in use and the base, language by language, the heat map,
and the worst answers side by side. Values in, embeds out."""

from __future__ import annotations

from collections.abc import Sequence

import discord
from discord import ui
from discord.utils import escape_markdown

from bot.database.tables import TrainingRun
from bot.discord.admin.controls import AdminButton, Press
from bot.discord.colours import DONE, HELD_UP, INFORMATION
from bot.discord.operation_problems import fault_line
from bot.operation.evaluation import BASE, IN_USE, NEW, BadAnswer, Evaluation, Judged
from bot.operation.gate import Fault, Figures, faults_of
from bot.text.length import shorten
from bot.words import Words, to_say
from model.languages import LANGUAGES

PANEL = "train"
HEAT_MAP_NAME = "heatmap.png"
_FIELD = 1000
_MEASURES = {
    "in_language": to_say("right language"),
    "tag_recall": to_say("look-up if due"),
    "tag_absence": to_say("none if not"),
    "no_loop": to_say("no loops"),
    "ended": to_say("finished"),
}
_SYSTEMS = {NEW: to_say("new"), IN_USE: to_say("in use"), BASE: to_say("base")}


def figures_in(judged: Judged) -> Figures:
    """What the gate asks for."""
    return Figures(judged.loss, judged.shares.get("in_language"))


def report_embeds(
    words: Words, run: TrainingRun, found: Evaluation, in_use: str | None
) -> list[discord.Embed]:
    """Two embeds: over all languages with the verdict, and language by language with the heat map's place."""
    new, standing = found.overall.get(NEW), found.overall.get(IN_USE)
    if standing is None:
        standing, in_use = found.overall.get(BASE), None
    faults = (
        faults_of(figures_in(new), figures_in(standing)) if new is not None and standing is not None else []
    )
    verdict = _verdict(words, faults, in_use)
    colour = INFORMATION if standing is None else HELD_UP if faults else DONE
    overall = discord.Embed(
        title=words.say(
            "Report of training run {number}: {name}", number=words.number(run.id), name=run.name
        ),
        description=f"{verdict}\n```\n{overall_table(words, found)}\n```",
        colour=colour,
    )
    by_language = discord.Embed(
        title=words.say("Language by language"),
        description=f"```\n{language_table(words, found)}\n```",
        colour=colour,
    )
    by_language.set_image(url=f"attachment://{HEAT_MAP_NAME}")
    return [overall, by_language]


def _verdict(words: Words, faults: Sequence[Fault], in_use: str | None) -> str:
    lines = "".join(f"\n- {fault_line(words, fault)}" for fault in faults)
    if in_use is None:
        said = words.say("There is nothing in use that it could be set beside, but for the base model.")
        return said + "\n" + words.say("⚠️ It is worse than the base model:") + lines if faults else said
    if not faults:
        return words.say("✅ It is no worse than {adapter}, which is in use.", adapter=f"**{in_use}**")
    return words.say("⚠️ It is worse than {adapter}, which is in use:", adapter=f"**{in_use}**") + lines


def overall_table(words: Words, found: Evaluation) -> str:
    """A line a measure, a column a system."""
    systems = [system for system in _SYSTEMS if system in found.overall]
    rows = [["", *(words.say(_SYSTEMS[system]) for system in systems)]]
    rows.append(
        [words.say("held-out loss"), *(_number(words, found.overall[system].loss, 3) for system in systems)]
    )
    for name, label in _MEASURES.items():
        shares = [found.overall[system].shares.get(name) for system in systems]
        if any(share is not None for share in shares):
            rows.append([words.say(label), *(_share(words, share) for share in shares)])
    return _aligned(rows)


def language_table(words: Words, found: Evaluation) -> str:
    """A line a language: how many answers were in it, and the held-out loss; new, and in use or the base."""
    beside = IN_USE if IN_USE in found.languages else BASE
    new, other = found.languages.get(NEW, {}), found.languages.get(beside, {})
    heads = [words.say(_SYSTEMS[NEW]), words.say(_SYSTEMS[beside])]
    rows = [["", *(f"% {head}" for head in heads), *heads]]
    for code in (code for code in LANGUAGES if code in new):
        mine, theirs = new[code], other.get(code)
        rows.append(
            [
                code,
                _share(words, mine.shares.get("in_language")),
                _share(words, theirs.shares.get("in_language") if theirs else None),
                _number(words, mine.loss, 2),
                _number(words, theirs.loss if theirs else None, 2),
            ]
        )
    return _aligned(rows)


def _share(words: Words, share: float | None) -> str:
    return "–" if share is None else words.number(round(share * 100))


def _number(words: Words, value: float | None, digits: int) -> str:
    return "–" if value is None else words.number(round(value, digits))


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def report_buttons(words: Words, run: TrainingRun, *, worst: bool) -> ui.View:
    """What can be done with a report."""
    view = ui.View(timeout=None)
    if worst:
        press = Press(PANEL, "worst", f"{run.id}.0")
        view.add_item(AdminButton(press, label=words.say("The worst answers"), emoji="🔬"))
    if run.adapter is not None:
        here, everywhere = Press(PANEL, "usehere", str(run.id)), Press(PANEL, "useall", str(run.id))
        view.add_item(AdminButton(here, label=words.say("Use it in this server"), emoji="🏠"))
        view.add_item(AdminButton(everywhere, label=words.say("Use it everywhere"), emoji="🌍"))
    return view


def worst_embed(words: Words, run: TrainingRun, answers: Sequence[BadAnswer], place: int) -> discord.Embed:
    """One of the worst answers, beside the base model's and the reference."""
    shown = answers[place]
    language = LANGUAGES.get(shown.language)
    embed = discord.Embed(
        title=words.say(
            "Worst answers of {name}: {place} of {count}",
            name=run.name,
            place=words.number(place + 1),
            count=words.number(len(answers)),
        ),
        description=f"**{words.language_name(language) if language else shown.language}**"
        f"\n{_quoted(shown.question)}\n-# {escape_markdown(shorten(shown.why, 300))}",
        colour=HELD_UP,
    )
    embed.add_field(name=words.say("The new adapter"), value=_text(shown.answer))
    embed.add_field(name=words.say("The base model"), value=_text(shown.base_answer))
    embed.add_field(name=words.say("The reference"), value=_text(shown.reference), inline=False)
    return embed


def _text(text: str) -> str:
    return escape_markdown(shorten(text, _FIELD // 2))[:_FIELD] or "–"


def _quoted(text: str) -> str:
    return "> " + escape_markdown(shorten(text, 500)).replace("\n", "\n> ")


def worst_buttons(run: TrainingRun, place: int, count: int) -> ui.View:
    """◀ ▶ through the worst answers."""
    view = ui.View(timeout=None)
    for emoji, other in (("◀️", place - 1), ("▶️", place + 1)):
        press = Press(PANEL, "worst", f"{run.id}.{max(0, other)}")
        view.add_item(AdminButton(press, emoji=emoji, disabled=not 0 <= other < count))
    return view

"""`/admin stats`: what was asked and answered in the last week or month, in words and as a picture."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import discord
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands

from bot.discord.admin.controls import AdminButton, Press
from bot.discord.colours import INFORMATION
from bot.discord.replies import NOBODY
from bot.statistics.figures import Figures
from bot.text.length import shorten
from bot.words import Words, to_say, words_for
from model.languages import LANGUAGES

if TYPE_CHECKING:
    from bot.discord.client import Parts

PANEL = "stats"
WEEK, MONTH = 7, 30
HERE, ALL = "here", "all"
_NAMED = 5
_FILE = "fanfabler-stats.png"
_ALT_LIMIT = 1024


class StatsCommands(commands.Cog):
    """A part of `AdminCog`: figures."""

    _parts: Parts

    @app_commands.command(
        name=locale_str(to_say("stats")),
        description=locale_str(to_say("Requests, languages, speed and verdicts, with a picture")),
    )
    @app_commands.rename(days=locale_str(to_say("days")))
    @app_commands.describe(days=locale_str(to_say("How far back; otherwise a week")))
    @app_commands.choices(
        days=[
            app_commands.Choice(name=locale_str(to_say("7 days")), value=WEEK),
            app_commands.Choice(name=locale_str(to_say("30 days")), value=MONTH),
        ]
    )
    async def server_stats(self, interaction: discord.Interaction, days: int = WEEK) -> None:
        """The figures of this server."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self._show_stats(interaction, days, HERE)

    async def stats_pressed(self, interaction: discord.Interaction, press: Press) -> None:
        """Another span, or all servers."""
        await interaction.response.defer()
        days, _, where = press.argument.partition(".")
        await self._show_stats(interaction, MONTH if days == str(MONTH) else WEEK, where)

    async def _show_stats(self, interaction: discord.Interaction, days: int, where: str) -> None:
        scope: int | None = interaction.guild_id or 0
        if where == ALL:
            await self._parts.admin_access.require_operator(interaction)
            scope = None
        words = words_for(str(interaction.locale))
        figures = await self._parts.statistics.of(scope, days)
        embed = stats_embed(words, figures, days, everywhere=scope is None)
        files = []
        if figures.requests:
            from bot.statistics.chart import draw  # Pillow takes a moment to load

            picture = await asyncio.to_thread(draw, figures)
            alt = shorten(_plain(embed), _ALT_LIMIT)
            files = [discord.File(io.BytesIO(picture), _FILE, description=alt)]
            embed.set_image(url=f"attachment://{_FILE}")
        operates = await self._parts.admin_access.operates(interaction)
        await interaction.edit_original_response(
            embed=embed,
            attachments=files,
            view=_controls(words, days, where, operates=operates),
            allowed_mentions=NOBODY,
        )


def stats_embed(words: Words, figures: Figures, days: int, *, everywhere: bool) -> discord.Embed:
    """The figures in words; the numbers in front are the parts of the picture, the squares its colours."""
    span = words.plural("The last {n} day", "The last {n} days", days)
    title = words.say("{span}, all servers", span=span) if everywhere else span
    embed = discord.Embed(title=title, colour=INFORMATION)
    if not figures.requests:
        embed.description = words.say("Nobody has asked for anything in this time.")
        return embed
    parts = (
        (words.say("Requests"), _requests(words, figures)),
        (words.say("Time to the first text"), _first_text(words, figures)),
        (words.say("Verdicts"), _verdicts(words, figures)),
        (words.say("Wrong language"), _wrong_languages(words, figures)),
        (words.say("Languages"), _languages(words, figures)),
    )
    for number, (name, value) in enumerate(parts, 1):
        embed.add_field(name=f"{number} · {name}", value=value, inline=False)
    embed.set_footer(text=words.say("Days are those of UTC."))
    return embed


def _requests(words: Words, figures: Figures) -> str:
    parts = [
        "🟦 " + words.plural("{n} answered", "{n} answered", figures.answered),
        "🟥 " + words.plural("{n} failed", "{n} failed", figures.failed),
        words.plural(
            "{n} stopped before it was begun", "{n} stopped before they were begun", figures.stopped
        ),
        words.plural("from {n} member", "from {n} members", figures.members),
    ]
    if figures.open:
        parts.insert(3, words.plural("{n} still to be written", "{n} still to be written", figures.open))
    return " · ".join(parts)


def _first_text(words: Words, figures: Figures) -> str:
    if figures.first_text_median is None or figures.first_text_p95 is None:
        return words.say("Not measured yet.")
    return "🟧 " + words.say(
        "half within {median} s, 95 of 100 within {p95} s",
        median=words.number(round(figures.first_text_median, 1)),
        p95=words.number(round(figures.first_text_p95, 1)),
    )


def _verdicts(words: Words, figures: Figures) -> str:
    rated = figures.liked + figures.disliked
    counts = f"🟩 👍 {words.number(figures.liked)} · 🟥 👎 {words.number(figures.disliked)}"
    if not rated:
        return counts
    share = words.number(round(100 * figures.liked / rated))
    return counts + " · " + words.say("{share} % liked", share=share)


def _languages(words: Words, figures: Figures) -> str:
    total = sum(count for _, count in figures.languages)
    named = [
        f"{words.language_name(LANGUAGES[code])} (`{code}`) {words.number(round(100 * count / total))} %"
        for code, count in figures.languages[:_NAMED]
        if code in LANGUAGES
    ]
    lines = ["🟪 " + " · ".join(named)] if named else []
    if (more := len(figures.languages) - _NAMED) > 0:
        lines.append(words.plural("and {n} more", "and {n} more", more))
    return "\n".join(lines) or words.say("Not measured yet.")


def _wrong_languages(words: Words, figures: Figures) -> str:
    if not figures.judged:
        return words.say("Not measured yet.")
    return "🟨 " + words.say(
        "In a wrong language: {share} % of {judged}; written anew for it: {retried}",
        share=words.number(round(100 * figures.wrong / figures.judged, 1)),
        judged=words.number(figures.judged),
        retried=words.number(figures.retried),
    )


def _plain(embed: discord.Embed) -> str:
    """The figures as a description for those who do not see the picture."""
    return "\n".join([embed.title or "", *(f"{field.name}: {field.value}" for field in embed.fields)])


def _controls(words: Words, days: int, where: str, *, operates: bool) -> ui.View:
    view = ui.View(timeout=None)
    for span in (WEEK, MONTH):
        label = words.plural("{n} day", "{n} days", span)
        style = discord.ButtonStyle.primary if span == days else discord.ButtonStyle.secondary
        view.add_item(AdminButton(Press(PANEL, "show", f"{span}.{where}"), label=label, style=style))
    if operates:
        other, label = (
            (ALL, words.say("All servers")) if where == HERE else (HERE, words.say("This server alone"))
        )
        view.add_item(AdminButton(Press(PANEL, "scope", f"{days}.{other}"), label=label, emoji="🌐"))
    return view

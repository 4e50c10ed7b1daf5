"""`/admin health`: how the parts are that the bot lives on, in colours and plain words, with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands

from bot.discord.admin.controls import AdminButton, Press
from bot.discord.colours import DONE, ERROR, WARNING
from bot.discord.welcome_checklist import checklist, checklist_embed, summary
from bot.discord.welcome_message import Offer, WelcomeButton
from bot.health import Part, Reading, State, Trouble
from bot.words import Words, to_say, words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

PANEL = "health"
_MARKS = {State.GOOD: "🟢", State.WORN: "🟡", State.BAD: "🔴"}
_COLOURS = {
    State.GOOD: DONE,
    State.WORN: WARNING,
    State.BAD: ERROR,
}


class HealthCommands(commands.Cog):
    """A part of `AdminCog`: health."""

    _parts: Parts

    @app_commands.command(
        name=locale_str(to_say("health")),
        description=locale_str(to_say("How I am, and what to do where something is wrong")),
    )
    async def health(self, interaction: discord.Interaction) -> None:
        """Look at every part."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self._show_health(interaction)

    async def health_pressed(self, interaction: discord.Interaction, _: Press) -> None:
        """Look again."""
        await interaction.response.defer()
        await self._show_health(interaction)

    async def _show_health(self, interaction: discord.Interaction) -> None:
        words = words_for(str(interaction.locale))
        readings = await self._parts.health.examine()
        embeds = [health_embed(words, readings)]
        if (setup := await self._setup_embed(interaction, words)) is not None:
            embeds.append(setup)
        view = ui.View(timeout=None)
        view.add_item(AdminButton(Press(PANEL, "again"), label=words.say("Look again"), emoji="🔄"))
        view.add_item(WelcomeButton(Offer.SETTINGS, words))
        await interaction.edit_original_response(embeds=embeds, view=view)

    async def _setup_embed(self, interaction: discord.Interaction, words: Words) -> discord.Embed | None:
        """What this server has and lacks, for the channel that was asked in."""
        guild = interaction.guild
        channel = guild.get_channel_or_thread(interaction.channel_id or 0) if guild is not None else None
        if channel is None:
            return None
        reads = interaction.client.intents.message_content
        checks = await checklist(self._parts, words, channel, (), reads=reads)
        return checklist_embed(words.say("How this server is set up"), summary(words, checks), checks)


def health_embed(words: Words, readings: list[Reading]) -> discord.Embed:
    """The readings, coloured like the worst of them."""
    worst = max((reading.state for reading in readings), default=State.GOOD)
    summary = {
        State.GOOD: words.say("All is well."),
        State.WORN: words.say("I can work, but something wants looking at."),
        State.BAD: words.say("Something is broken. Requests wait in the queue; none is lost."),
    }[worst]
    embed = discord.Embed(title=words.say("How I am"), description=summary, colour=_COLOURS[worst])
    for reading in readings:
        value = _found(words, reading)
        if remedy := _remedy(words, reading):
            value += f"\n-# {remedy}"
        embed.add_field(
            name=f"{_MARKS[reading.state]} {_name(words, reading.part)}", value=value, inline=False
        )
    return embed


def _name(words: Words, part: Part) -> str:
    return {
        Part.DISCORD: words.say("Discord"),
        Part.WORKER: words.say("Writing machine"),
        Part.DATABASE: words.say("Database"),
        Part.WIKIPEDIA: words.say("Wikipedia"),
        Part.MODERATION: words.say("Content check"),
        Part.QUEUE: words.say("Queue"),
    }[part]


def _found(words: Words, reading: Reading) -> str:  # noqa: PLR0911 -- one return a kind of finding
    """What was measured, or that there was no answer."""
    if reading.part is Part.QUEUE and reading.facts:
        return _queue(words, reading)
    if reading.trouble is Trouble.AWAY:
        return words.say("It does not answer.")
    if reading.trouble is Trouble.REFUSED:
        return words.say("It answers, but refuses my requests.")
    if reading.trouble is Trouble.BUSY:
        return words.say("It is so busy that it takes nothing more.")
    if reading.trouble is Trouble.FORBIDDEN:
        return words.say("It does not let me in.")
    if reading.seconds is None:
        return words.say("Nothing is measured yet.")
    answered = words.say("answers in {n} ms", n=words.number(max(1, round(reading.seconds * 1000))))
    if reading.part is Part.WORKER:
        slots = words.plural("{n} answer at a time", "{n} answers at a time", int(reading.fact("slots") or 0))
        return f"`{reading.fact('model')}` · {slots} · {answered}"
    if reading.part is Part.DATABASE:
        kind = "PostgreSQL" if reading.fact("kind") == "postgresql" else "SQLite"
        return f"{kind} · {answered}"
    return answered


def _queue(words: Words, reading: Reading) -> str:
    parts = [
        words.plural("{n} being written", "{n} being written", int(reading.fact("running") or 0)),
        words.say(
            "{waiting} of {limit} places taken",
            waiting=words.number(int(reading.fact("waiting") or 0)),
            limit=words.number(int(reading.fact("limit") or 0)),
        ),
    ]
    if oldest := float(reading.fact("oldest") or 0):
        parts.append(words.say("the longest wait is {span}", span=words.span(oldest)))
    return " · ".join(parts)


def _remedy(words: Words, reading: Reading) -> str | None:  # noqa: PLR0911 -- one return a kind of trouble
    """What whoever runs the bot can do about it."""
    if reading.trouble is None:
        return None
    part, trouble = reading.part, reading.trouble
    if part is Part.WORKER and trouble is Trouble.AWAY:
        return words.say(
            "See whether it runs (its log says why it ended), and whether WORKER_URL and WORKER_TOKEN are right. "
            "Requests wait for a quarter of an hour."
        )
    if part is Part.WORKER and trouble is Trouble.REFUSED:
        return words.say("See that WORKER_TOKEN is its token, and that WORKER_MODEL is a model it has.")
    if part is Part.WORKER:
        return words.say("It has more to do than it can. Lower WORKER_SLOTS, or give it a larger machine.")
    if part is Part.DATABASE and trouble is Trouble.AWAY:
        return words.say(
            "See whether its server runs and its disk has room, and whether DATABASE_URL is right."
        )
    if part is Part.DATABASE:
        return words.say("Its disk or its server is overloaded. With several bots, use PostgreSQL.")
    if part is Part.WIKIPEDIA and trouble is Trouble.FORBIDDEN:
        return words.say("Set WIKIPEDIA_USER_AGENT to a name and a contact of your own.")
    if part is Part.WIKIPEDIA:
        return words.say("Stories go on without it, with the notes that I bring along.")
    if part is Part.MODERATION:
        return words.say(
            "See to MODERATION_URL, MODERATION_TOKEN and MODERATION_MODEL. Mature stories wait until it answers."
        )
    if part is Part.QUEUE:
        return words.say(
            "More is asked for than can be written. Add slots or a worker, or set quotas with **/admin quota**."
        )
    return words.say(
        "Discord or the network is slow. If it stays so, see the load of the machine that I run on."
    )

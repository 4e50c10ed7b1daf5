"""`/admin queue`: what waits and is written, one request stopped, everything paused, drained or resumed. Whoever runs
the bot sees and steers all servers, from a server of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands
from discord.utils import escape_markdown, format_dt

from bot.database.tables import PauseMode, now
from bot.discord.admin.controls import AdminButton, AdminSelect, Press
from bot.discord.colours import DONE, HELD_UP, WARNING
from bot.discord.replies import NOBODY
from bot.queue.pauses import EVERYWHERE
from bot.queue.steering import Entry, View
from bot.text.length import shorten
from bot.words import Words, to_say, words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

PANEL = "queue"
HERE, ALL = "here", "all"
_LINES = 10
_FIELD_LIMIT = 1024
_COLOURS = {
    None: DONE,
    PauseMode.DRAIN: WARNING,
    PauseMode.PAUSE: HELD_UP,
}


class QueueCommands(commands.Cog):
    """A part of `AdminCog`: the queue."""

    _parts: Parts

    @app_commands.command(
        name=locale_str(to_say("queue")),
        description=locale_str(to_say("See what waits, stop a request, pause me or let me go on")),
    )
    async def admin_queue(self, interaction: discord.Interaction) -> None:
        """The queue of this server."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self._show_queue(interaction, HERE)

    async def queue_pressed(self, interaction: discord.Interaction, press: Press) -> None:
        """Do what a control says, then show how things are."""
        await interaction.response.defer()
        where = press.argument or HERE
        scope = await self._scope(interaction, where)
        here, actor = interaction.guild_id or 0, interaction.user.id
        steering = self._parts.steering
        words = words_for(str(interaction.locale))
        notice = ""
        if press.action == "stop" and press.values and press.values[0].isdecimal():
            stopped = await steering.cancel(int(press.values[0]), scope, log_guild=here, actor_id=actor)
            notice = _stopped(words, stopped)
        elif press.action in (PauseMode.PAUSE, PauseMode.DRAIN):
            await steering.hold(scope, PauseMode(press.action), log_guild=here, actor_id=actor)
        elif press.action == "resume":
            await steering.resume(scope, log_guild=here, actor_id=actor)
        await self._show_queue(interaction, where, notice)

    async def _scope(self, interaction: discord.Interaction, where: str) -> int | None:
        """The server, or None for all.

        Raises:
            NotAnOperator: all are for those who run the bot.
        """
        if where != ALL:
            return interaction.guild_id or 0
        await self._parts.admin_access.require_operator(interaction)
        return None

    async def _show_queue(self, interaction: discord.Interaction, where: str, notice: str = "") -> None:
        words = words_for(str(interaction.locale))
        scope = await self._scope(interaction, where)
        view = await self._parts.steering.view(scope)
        operates = await self._parts.admin_access.operates(interaction)
        guilds = {guild.id: guild.name for guild in interaction.client.guilds}
        embed = queue_embed(words, view, scope, guilds)
        await interaction.edit_original_response(
            content=notice or None,
            embed=embed,
            view=_controls(words, view, where, scope, operates=operates),
            allowed_mentions=NOBODY,
        )


def queue_embed(words: Words, view: View, scope: int | None, guilds: dict[int, str]) -> discord.Embed:
    """How things are, and what there is of them. `guilds` are the names of the servers."""
    own = EVERYWHERE if scope is None else scope
    mode = view.mode(EVERYWHERE) or view.mode(own)
    title = words.say("The queue of all servers") if scope is None else words.say("The queue of this server")
    embed = discord.Embed(title=title, description=_standing(words, view, own), colour=_COLOURS[mode])
    for name, count, entries, mark in (
        (words.say("Being written"), view.running_count, view.running, "✍️"),
        (words.say("Waiting"), view.waiting_count, view.waiting, "⏳"),
    ):
        lines = [
            _line(words, entry, f"{mark} {words.number(number)}", scope, guilds)
            for number, entry in enumerate(entries[:_LINES], 1)
        ]
        if count > len(lines):
            lines.append(words.plural("… and {n} more", "… and {n} more", count - len(lines)))
        value = "\n".join(lines) or words.say("Nothing.")
        embed.add_field(
            name=f"{name} · {words.number(count)}", value=shorten(value, _FIELD_LIMIT), inline=False
        )
    if view.seconds_per_answer is not None:
        span = words.span(view.seconds_per_answer)
        embed.set_footer(text=words.say("An answer takes about {span}.", span=span))
    return embed


def _standing(words: Words, view: View, own: int) -> str:
    """Whether the queue is held up, since when, and by whom."""
    lines = []
    for guild_id, mode, since in view.pauses:
        when = format_dt(since, "R")
        if guild_id == EVERYWHERE and own != EVERYWHERE and mode is PauseMode.PAUSE:
            lines.append(words.say("⏸️ Whoever runs me has paused all servers, {when}.", when=when))
        elif guild_id == EVERYWHERE and own != EVERYWHERE:
            lines.append(words.say("⏸️ Whoever runs me lets all queues run empty, {when}.", when=when))
        elif guild_id == own and mode is PauseMode.PAUSE:
            lines.append(
                words.say(
                    "⏸️ Paused {when}. Requests are taken and wait; none is begun. Those who ask are told.",
                    when=when,
                )
            )
        elif guild_id == own:
            lines.append(
                words.say(
                    "⏸️ Running empty; begun {when}. What waits is written; nothing more is taken, and those who ask "
                    "are told.",
                    when=when,
                )
            )
    if own == EVERYWHERE and (others := sum(guild_id != EVERYWHERE for guild_id, _, _ in view.pauses)):
        lines.append(words.plural("{n} server is held up.", "{n} servers are held up.", others))
    return "\n".join(lines) or words.say("🟢 Requests are taken and written.")


def _line(words: Words, entry: Entry, mark: str, scope: int | None, guilds: dict[int, str]) -> str:
    where = f"<#{entry.thread_id}>" if entry.thread_id else words.say("a new thread")
    if scope is None:
        name = guilds.get(entry.guild_id or 0)
        where = escape_markdown(name) if name else words.say("another server")
    when = format_dt(entry.asked_at if entry.position else entry.started_at or entry.asked_at, "R")
    held = " · ⏸️" if entry.held else ""
    return words.line(f"{mark} · {where} · <@{entry.member_id}> · {when}{held}")


def _controls(words: Words, view: View, where: str, scope: int | None, *, operates: bool) -> ui.View:
    controls = ui.View(timeout=None)
    options = [
        discord.SelectOption(
            label=_label(words, entry, f"{mark} {words.number(number)}"), value=str(entry.job_id)
        )
        for entries, mark in ((view.running, "✍️"), (view.waiting, "⏳"))
        for number, entry in enumerate(entries[:_LINES], 1)
    ]
    if options:
        placeholder = shorten(words.say("Stop a request …"), 150)
        controls.add_item(AdminSelect(Press(PANEL, "stop", where), options, placeholder=placeholder, row=0))
    mode = view.mode(EVERYWHERE if scope is None else scope)
    if mode is not PauseMode.PAUSE:
        pause = Press(PANEL, PauseMode.PAUSE.value, where)
        controls.add_item(AdminButton(pause, label=words.say("Pause"), emoji="⏸️", row=1))
    if mode is not PauseMode.DRAIN:
        drain = Press(PANEL, PauseMode.DRAIN.value, where)
        controls.add_item(AdminButton(drain, label=words.say("Run empty"), emoji="⏳", row=1))
    if mode is not None:
        resume = Press(PANEL, "resume", where)
        style = discord.ButtonStyle.success
        controls.add_item(AdminButton(resume, label=words.say("Go on"), emoji="▶️", style=style, row=1))
    controls.add_item(
        AdminButton(Press(PANEL, "again", where), label=words.say("Look again"), emoji="🔄", row=1)
    )
    if operates:
        other, label = (
            (ALL, words.say("All servers")) if where == HERE else (HERE, words.say("This server alone"))
        )
        controls.add_item(AdminButton(Press(PANEL, "show", other), label=label, emoji="🌐", row=1))
    return controls


def _label(words: Words, entry: Entry, mark: str) -> str:
    """A line of the select, where Discord shows no mentions: the mark that the list has, and for how long."""
    since = entry.asked_at if entry.position else entry.started_at or entry.asked_at
    return shorten(f"{mark} · {words.span(max(1.0, (now() - since).total_seconds()))}", 100)


def _stopped(words: Words, entry: Entry | None) -> str:
    if entry is None:
        return words.say("That request is over already.")
    return words.say("⏹️ The request of {member} is stopped.", member=f"<@{entry.member_id}>")

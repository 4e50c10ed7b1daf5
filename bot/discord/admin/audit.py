"""`/admin audit`: what admins did, newest first, a page at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands
from discord.utils import format_dt

from bot.database.tables import AuditEntry
from bot.discord.admin.controls import AdminButton, Press
from bot.discord.admin.deeds import describe
from bot.discord.colours import INFORMATION
from bot.discord.replies import NOBODY
from bot.guilds.administration import AuditPage
from bot.privacy.subject import NOBODY as ERASED
from bot.text.length import shorten
from bot.words import Words, to_say, words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

PANEL = "audit"
_LONGEST_LINE = 220


class AuditCommands(commands.Cog):
    """A part of `AdminCog`: the log."""

    _parts: Parts

    @app_commands.command(
        name=locale_str(to_say("audit")),
        description=locale_str(to_say("What admins of this server did with me, newest first")),
    )
    async def audit(self, interaction: discord.Interaction) -> None:
        """The newest page of the log."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self._show_audit(interaction, Press(PANEL, "newest"))

    async def audit_pressed(self, interaction: discord.Interaction, press: Press) -> None:
        """Turn to another page."""
        await interaction.response.defer()
        await self._show_audit(interaction, press)

    async def _show_audit(self, interaction: discord.Interaction, press: Press) -> None:
        words = words_for(str(interaction.locale))
        border = int(press.argument) if press.argument.isdecimal() else None
        page = await self._parts.administration.audit(
            interaction.guild_id or 0,
            before=border if press.action == "older" else None,
            after=border if press.action == "newer" else None,
            everywhere=await self._parts.admin_access.operates(interaction),
        )
        embed = discord.Embed(
            title=words.say("What admins did"),
            description="\n".join(_line(words, entry) for entry in page.entries)
            or words.say("Nothing has been set or steered here yet."),
            colour=INFORMATION,
        )
        await interaction.edit_original_response(
            embed=embed, view=_turning(words, page), allowed_mentions=NOBODY
        )


def _turning(words: Words, page: AuditPage) -> ui.View | None:
    if not page.has_older and not page.has_newer:
        return None
    view = ui.View(timeout=None)
    first, last = page.entries[0].id, page.entries[-1].id
    for action, border, there, emoji, label in (
        ("newer", first, page.has_newer, "◀️", words.say("Newer")),
        ("older", last, page.has_older, "▶️", words.say("Older")),
    ):
        view.add_item(
            AdminButton(Press(PANEL, action, str(border)), label=label, emoji=emoji, disabled=not there)
        )
    return view


def _line(words: Words, entry: AuditEntry) -> str:
    who = words.say("somebody") if entry.actor_id == ERASED else f"<@{entry.actor_id}>"
    what = shorten(describe(words, entry.action, entry.details), _LONGEST_LINE)
    return words.line(f"{format_dt(entry.created_at, 'f')} · {who}\n-# {what}")

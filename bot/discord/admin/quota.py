"""`/admin quota`: how many answers a member, a role or the server may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import locale_str

from bot.database.tables import QuotaSubject
from bot.discord.admin.quota_panel import MOST_A_DAY, MOST_AT_ONCE, QuotaPanel
from bot.discord.admin.quotas_told import name_of, quota_line
from bot.discord.replies import whisper
from bot.guilds.administration import Subject
from bot.words import to_say, words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

_SCOPES = [
    app_commands.Choice(name=locale_str(to_say("each member")), value=QuotaSubject.EVERYONE.value),
    app_commands.Choice(name=locale_str(to_say("all members together")), value=QuotaSubject.GUILD.value),
]


class QuotaCommands(QuotaPanel):
    """A part of `AdminCog`: quotas."""

    _parts: Parts

    quota = app_commands.Group(
        name=locale_str(to_say("quota")),
        description=locale_str(to_say("How many answers members, roles and the server may have")),
    )

    @quota.command(
        name=locale_str(to_say("set")),
        description=locale_str(to_say("Set how many answers somebody may have")),
    )
    @app_commands.rename(
        answers=locale_str(to_say("answers")),
        at_once=locale_str(to_say("at_once")),
        who=locale_str(to_say("who")),
        scope=locale_str(to_say("scope")),
    )
    @app_commands.describe(
        answers=locale_str(to_say("Answers in any 24 hours; 0 is none, left out is no limit")),
        at_once=locale_str(to_say("Answers written at the same time; left out is no limit of yours")),
        who=locale_str(to_say("A role or a member; otherwise what scope says")),
        scope=locale_str(to_say("Without a role or a member: each member for themselves, or all together")),
    )
    @app_commands.choices(scope=_SCOPES)
    async def set_quota(
        self,
        interaction: discord.Interaction,
        answers: app_commands.Range[int, 0, MOST_A_DAY] | None = None,
        at_once: app_commands.Range[int, 1, MOST_AT_ONCE] | None = None,
        who: discord.Role | discord.Member | None = None,
        scope: str = QuotaSubject.EVERYONE.value,
    ) -> None:
        """Give somebody a quota."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        guild_id, subject = _guild_id(interaction), subject_of(who, scope)
        if (
            answers is None
            and at_once is None
            and subject.kind in (QuotaSubject.EVERYONE, QuotaSubject.GUILD)
        ):
            await whisper(
                interaction,
                words.say(
                    "Say how many answers, or how many at once. To lift a quota, use **/admin quota remove**."
                ),
            )
            return
        administration = self._parts.administration
        await administration.set_quota(guild_id, interaction.user.id, subject, answers, at_once)
        line = quota_line(words, subject, answers, at_once)
        await whisper(interaction, words.say("From now on: {quota}", quota=line))

    @quota.command(
        name=locale_str(to_say("list")), description=locale_str(to_say("The quotas of this server"))
    )
    async def list_quotas(self, interaction: discord.Interaction) -> None:
        """Show the server's quotas, how they work together, and forms to change them."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        await self.show_quotas(interaction)

    @quota.command(name=locale_str(to_say("remove")), description=locale_str(to_say("Lift a quota")))
    @app_commands.rename(who=locale_str(to_say("who")), scope=locale_str(to_say("scope")))
    @app_commands.describe(
        who=locale_str(to_say("A role or a member; otherwise what scope says")),
        scope=locale_str(to_say("Without a role or a member: each member for themselves, or all together")),
    )
    @app_commands.choices(scope=_SCOPES)
    async def remove_quota(
        self,
        interaction: discord.Interaction,
        who: discord.Role | discord.Member | None = None,
        scope: str = QuotaSubject.EVERYONE.value,
    ) -> None:
        """Take a quota away."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        subject = subject_of(who, scope)
        there = await self._parts.administration.remove_quota(
            _guild_id(interaction), interaction.user.id, subject
        )
        name = name_of(words, subject)
        if there:
            await whisper(interaction, words.say("The quota for {who} is lifted.", who=name))
        else:
            await whisper(interaction, words.say("There is no quota for {who}.", who=name))


def subject_of(who: discord.Role | discord.Member | None, scope: str) -> Subject:
    """Whom the options of a command mean; the role that everybody has is everybody."""
    if isinstance(who, discord.Role):
        return Subject(QuotaSubject.EVERYONE) if who.is_default() else Subject(QuotaSubject.ROLE, who.id)
    if who is not None:
        return Subject(QuotaSubject.MEMBER, who.id)
    return Subject(QuotaSubject(scope))


def _guild_id(interaction: discord.Interaction) -> int:
    assert interaction.guild_id is not None  # noqa: S101 -- the group is guild_only
    return interaction.guild_id

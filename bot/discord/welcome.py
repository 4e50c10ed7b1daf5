"""Greets the admins of a server, once: when the bot is taken into it, or at the next start where it was away then."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import discord
from discord.ext import commands
from sqlalchemy.exc import IntegrityError

from bot.database.patience import EVENT_PATIENCE, STEP_PATIENCE, persisting
from bot.database.tables import Remembered
from bot.discord.help_pages import first_example
from bot.discord.replies import NOBODY, reply_error
from bot.discord.story.start import Asked
from bot.discord.welcome_checklist import Check, checklist
from bot.discord.welcome_message import Offer, greeting_embed, greeting_text, nowhere_text, offers
from bot.health import Reading
from bot.text.cleaning import without_direction
from bot.words import Words, words_for

if TYPE_CHECKING:
    from bot.discord.client import FanFabler, Parts

log = logging.getLogger(__name__)

_RECENT = timedelta(days=14)
"""Servers that took the bot in longer ago know it already."""


class WelcomeCog(commands.Cog):
    """Posts the greeting, and does what its buttons say. `open_settings` answers a deferred interaction with the
    server's settings, `begin` begins a story."""

    def __init__(
        self,
        client: FanFabler,
        parts: Parts,
        *,
        open_settings: Callable[[discord.Interaction], Awaitable[None]],
        begin: Callable[[discord.Interaction, Asked], Awaitable[None]],
    ) -> None:
        self._client = client
        self._parts = parts
        self._open_settings = open_settings
        self._begin = begin
        self._claiming = asyncio.Lock()

    @commands.Cog.listener()
    async def on_guild_join(self, guild: discord.Guild) -> None:
        """Taken into a server."""
        await self._greet_all([guild])

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Connected: greet the servers that have taken the bot in meanwhile."""
        await self._greet_all(guild for guild in self._client.guilds if _is_new(guild))

    @commands.Cog.listener()
    async def on_guild_available(self, guild: discord.Guild) -> None:
        """A server that Discord could not tell of at first. Those of the start are greeted together."""
        if self._client.is_ready() and _is_new(guild):
            await self._greet_all([guild])

    @commands.Cog.listener()
    @persisting(EVENT_PATIENCE)
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Sent away: whoever takes it in again is greeted again."""
        async with self._parts.database.transaction() as session:
            if (row := await session.get(Remembered, self._key(guild))) is not None:
                await session.delete(row)

    async def pressed(self, interaction: discord.Interaction, offer: Offer) -> None:
        """A button under a greeting; for those who may administer the server."""
        try:
            await self._parts.admin_access.require(interaction)
            if offer is Offer.CHECK:
                await self._check_again(interaction)
            elif offer is Offer.SETTINGS:
                await interaction.response.defer(ephemeral=True, thinking=True)
                await self._open_settings(interaction)
            else:
                prompt = first_example(words_for(str(interaction.locale)))
                await self._begin(interaction, Asked.plainly(without_direction(prompt)))
        except Exception as error:
            await reply_error(interaction, error)

    async def _greet_all(self, guilds: Iterable[discord.Guild]) -> None:
        if not self._parts.greets:
            return
        readings: Sequence[Reading] | None = None
        for guild in guilds:
            try:
                if not await self._claim(guild):
                    continue
                if readings is None:
                    readings = await self._parts.health.examine()
                await self._greet(guild, readings)
            except Exception:  # the others are still to be greeted
                log.exception("server %s could not be greeted", guild.id)

    @persisting(EVENT_PATIENCE)
    async def _claim(self, guild: discord.Guild) -> bool:
        """Whether the server is still to be greeted; noted first, so that a crash greets nobody twice."""
        try:
            async with self._claiming, self._parts.database.transaction() as session:
                if await session.get(Remembered, self._key(guild)) is not None:
                    return False
                session.add(Remembered(key=self._key(guild), value=discord.utils.utcnow().isoformat()))
        except IntegrityError:
            return False  # another process noted it at the same instant, and greets
        return True

    def _key(self, guild: discord.Guild) -> str:
        return f"welcome:{self._client.application_id}:{guild.id}"

    async def _greet(self, guild: discord.Guild, readings: Sequence[Reading]) -> None:
        words = words_for(guild.preferred_locale.value)
        nonce = secrets.token_hex(12)  # where Discord's answer is lost, the message is not sent again
        for channel in _places(guild):
            checks = await self._checks(words, channel, readings)
            embed, text = self._said(words, channel, checks)
            try:
                await channel.send(
                    content=text,
                    embeds=[embed] if embed else [],
                    view=offers(words),
                    nonce=nonce,
                    allowed_mentions=NOBODY,
                )
            except discord.HTTPException as error:
                log.info("could not greet server %s in channel %s: %s", guild.id, channel.id, error)
            else:
                return
        await self._write_to_inviter(guild)

    @persisting(STEP_PATIENCE)
    async def _checks(
        self, words: Words, channel: discord.TextChannel, readings: Sequence[Reading]
    ) -> list[Check]:
        reads = self._client.intents.message_content
        return await checklist(self._parts, words, channel, readings, reads=reads)

    def _said(
        self, words: Words, channel: discord.TextChannel, checks: Sequence[Check]
    ) -> tuple[discord.Embed | None, str | None]:
        """The greeting as an embed, or as a text where the bot may show none."""
        mentions, guild_id = self._parts.mentions, channel.guild.id
        if channel.permissions_for(channel.guild.me).embed_links:
            return greeting_embed(words, mentions, guild_id, checks), None
        return None, greeting_text(words, mentions, guild_id, checks)

    async def _check_again(self, interaction: discord.Interaction) -> None:
        """Look again, in the message for all, which stays in the server's language."""
        await interaction.response.defer()
        guild = interaction.guild
        channel = guild.get_channel(interaction.channel_id or 0) if guild is not None else None
        if guild is None or not isinstance(channel, discord.TextChannel):
            return
        words = words_for(guild.preferred_locale.value)
        checks = await self._checks(words, channel, await self._parts.health.examine())
        embed, text = self._said(words, channel, checks)
        await interaction.edit_original_response(
            content=text, embed=embed, view=offers(words), allowed_mentions=NOBODY
        )

    async def _write_to_inviter(self, guild: discord.Guild) -> None:
        """Where there is no place to write in: to whoever took the bot in, or to the owner where that is not known."""
        user_id = await self._inviter(guild) or guild.owner_id
        if user_id is None:
            return
        words = words_for(guild.preferred_locale.value)
        try:
            user = await self._client.fetch_user(user_id)
            await user.send(nowhere_text(words, self._parts.mentions, guild), allowed_mentions=NOBODY)
        except discord.HTTPException as error:
            log.info("nobody could be told that server %s lets me write nowhere: %s", guild.id, error)

    async def _inviter(self, guild: discord.Guild) -> int | None:
        if not guild.me.guild_permissions.view_audit_log:
            return None
        try:
            async for entry in guild.audit_logs(limit=10, action=discord.AuditLogAction.bot_add):
                if entry.target is not None and entry.target.id == guild.me.id:
                    return entry.user_id
        except discord.HTTPException as error:
            log.info("could not read the audit log of server %s: %s", guild.id, error)
        return None


def _is_new(guild: discord.Guild) -> bool:
    if guild.unavailable or guild.me.joined_at is None:
        return False
    return guild.me.joined_at > discord.utils.utcnow() - _RECENT


def _places(guild: discord.Guild) -> list[discord.TextChannel]:
    """Where the bot may write, the channel for such messages first."""
    system = [guild.system_channel] if guild.system_channel is not None else []
    return [
        channel
        for channel in dict.fromkeys((*system, *guild.text_channels))
        if (granted := channel.permissions_for(guild.me)).view_channel and granted.send_messages
    ]

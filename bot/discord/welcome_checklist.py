"""What a server has and lacks for the bot to work well in it, looked up now, in words: the list of the first message,
and of `/admin health`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import discord

from bot.database.tables import GuildSettings
from bot.discord.colours import DONE, WARNING
from bot.discord.permissions import lacking
from bot.discord.places import age_restricted, place_ids
from bot.discord.settings_told import channels_told, mature_told, may_write, moderators_told
from bot.guilds.consents import consenting
from bot.guilds.rules import ChannelClosed, check_channel
from bot.health import Part, Reading, State
from bot.words import Words

if TYPE_CHECKING:
    from bot.discord.client import Parts


@dataclass(frozen=True)
class Check:
    """One line: whether it is well, what it is about, and what was found or is to be done."""

    good: bool
    name: str
    value: str

    @property
    def heading(self) -> str:
        """The name with its mark."""
        return f"{'✅' if self.good else '⚠️'} {self.name}"


async def checklist(
    parts: Parts,
    words: Words,
    channel: discord.abc.GuildChannel | discord.Thread,
    readings: Sequence[Reading],
    *,
    reads: bool,
) -> list[Check]:
    """All that is looked at, for a channel of a server. `readings` are how the parts of the bot are, `reads` whether
    Discord lets it read messages."""
    guild = channel.guild
    row = await parts.administration.settings(guild.id)
    async with parts.database.reading() as session:
        agreed = await consenting(session, guild.id)

    def command(path: str) -> str:
        return parts.mentions.told(words, path, guild.id)

    return [
        _permissions(words, channel),
        _reading_along(words, reads),
        *_worker(words, readings, command("admin health")),
        _channels(words, row, guild, command("admin settings show")),
        _mature(words, row, guild, moderated=parts.guard.moderated),
        _content(words, moderated=parts.guard.moderated),
        *_moderators(words, row, guild, command("admin settings show"), moderated=parts.guard.moderated),
        _training(words, agreed, command("privacy training-consent")),
    ]


def summary(words: Words, checks: Iterable[Check]) -> str:
    """Whether all is well, in a sentence."""
    wanting = sum(not check.good for check in checks)
    if not wanting:
        return words.say("✅ Everything is set up.")
    return words.plural(
        "⚠️ {n} point still wants attention.",
        "⚠️ {n} points still want attention.",
        wanting,
    )


def checklist_embed(title: str, description: str, checks: Sequence[Check]) -> discord.Embed:
    """The list, coloured like the worst of it."""
    colour = DONE if all(check.good for check in checks) else WARNING
    embed = discord.Embed(title=title, description=description, colour=colour)
    for check in checks:
        embed.add_field(name=check.heading, value=check.value, inline=False)
    return embed


def _permissions(words: Words, channel: discord.abc.GuildChannel | discord.Thread) -> Check:
    name = words.say("What I may do here")
    missing = lacking(channel)
    if not missing:
        return Check(
            True, name, words.say("I have all the permissions I need in {channel}.", channel=channel.mention)
        )
    listed = words.listed(f"**{permission_name(words, each)}**" for each in missing)
    return Check(
        False,
        name,
        words.say(
            "In {channel} I lack these permissions: {permissions}. Give them to my role there, under "
            "**Edit Channel › Permissions**.",
            channel=channel.mention,
            permissions=listed,
        ),
    )


def permission_name(words: Words, permission: str) -> str:
    """What Discord calls a permission, in the reader's language."""
    # Translators: what Discord itself calls them, in the settings of a channel.
    return {
        "read_messages": words.say("View Channel"),
        "send_messages": words.say("Send Messages"),
        "send_messages_in_threads": words.say("Send Messages in Threads"),
        "create_public_threads": words.say("Create Public Threads"),
        "create_private_threads": words.say("Create Private Threads"),
        "embed_links": words.say("Embed Links"),
        "attach_files": words.say("Attach Files"),
        "read_message_history": words.say("Read Message History"),
    }[permission]


def _reading_along(words: Words, reads: bool) -> Check:
    name = words.say("Reading along")
    if reads:
        return Check(True, name, words.say("I can read what members write in their stories."))
    return Check(
        False,
        name,
        words.say(
            "I cannot read what members write. Those who run me must switch on **Message Content Intent** in "
            "Discord's Developer Portal, under **Bot**."
        ),
    )


def _worker(words: Words, readings: Sequence[Reading], health: str) -> list[Check]:
    name = words.say("Writing machine")
    found = [reading for reading in readings if reading.part is Part.WORKER]
    if not found:
        return []
    if found[0].state is not State.BAD:
        return [Check(True, name, words.say("It is ready."))]
    value = words.say(
        "It cannot be reached just now. Stories wait for it, and none is lost. Tell those who run me; {health} says "
        "what to do.",
        health=health,
    )
    return [Check(False, name, value)]


def _channels(words: Words, row: GuildSettings, guild: discord.Guild, settings: str) -> Check:
    name, told = words.say("Where stories begin"), channels_told(words, row)
    if any(_is_open(row, channel) and not lacking(channel) for channel in guild.text_channels):
        return Check(True, name, told)
    remedy = words.say(
        "There is no such text channel in which I have all permissions. Give them to me in one, or choose other "
        "channels with {settings}.",
        settings=settings,
    )
    return Check(False, name, f"{told}\n{remedy}")


def _is_open(row: GuildSettings, channel: discord.TextChannel) -> bool:
    try:
        check_channel(row, place_ids(channel))
    except ChannelClosed:
        return False
    return True


def _mature(words: Words, row: GuildSettings, guild: discord.Guild, *, moderated: bool) -> Check:
    name, told = words.say("Mature stories"), mature_told(words, row, moderated=moderated)
    if not row.mature:
        return Check(True, name, told)
    if not any(age_restricted(channel) for channel in guild.channels):
        remedy = words.say(
            "No channel of this server is age-restricted. Mark one as such under **Edit Channel › Overview**."
        )
        return Check(False, name, f"{told}\n{remedy}")
    return Check(moderated, name, told)


def _content(words: Words, *, moderated: bool) -> Check:
    name = words.say("Content check")
    if moderated:
        return Check(
            True, name, words.say("A moderation service checks what members write and what I write.")
        )
    return Check(
        False,
        name,
        words.say(
            "Nothing checks what is written here. Keep an eye on the stories, or ask those who run me to set up a "
            "moderation service (MODERATION_URL)."
        ),
    )


def _moderators(
    words: Words, row: GuildSettings, guild: discord.Guild, settings: str, *, moderated: bool
) -> list[Check]:
    name, told = words.say("Your moderators"), moderators_told(words, row)
    if row.moderator_channel_id is None:
        if not moderated:
            return []
        return [Check(False, name, told + " " + words.say("Choose one with {settings}.", settings=settings))]
    channel = guild.get_channel(row.moderator_channel_id)
    if isinstance(channel, discord.TextChannel) and may_write(channel):
        return [Check(True, name, told)]
    value = words.say(
        "I cannot write in {channel}. Let me see it and send messages there.",
        channel=f"<#{row.moderator_channel_id}>",
    )
    return [Check(False, name, value)]


def _training(words: Words, agreed: int, consent: str) -> Check:
    told = words.say(
        "Nothing that members write or rate is trained on, unless they agree to it with {consent}.",
        consent=consent,
    )
    count = words.plural(
        "So far, {n} member of this server has agreed.",
        "So far, {n} members of this server have agreed.",
        agreed,
    )
    return Check(True, words.say("Training with your members' chats"), f"{told} {count}")

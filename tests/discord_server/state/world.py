"""The whole of Discord as this server knows it: records by id, and the events that changes send out.

Look-ups raise Discord's own errors (10003 Unknown Channel and so on). Saving and loading is here too;
gateway sessions, rate limits and recorded requests are not part of the state.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from ..clock import Clock, Snowflakes
from ..errors import (
    UNKNOWN_CHANNEL,
    UNKNOWN_GUILD,
    UNKNOWN_INTERACTION,
    UNKNOWN_MEMBER,
    UNKNOWN_MESSAGE,
    UNKNOWN_USER,
    Json,
)
from .application_records import Application, Command, Interaction
from .message_records import Attachment, Message
from .records import Channel, Guild, Member, User


@dataclass
class State:
    """All records, as saved.

    `messages` is by channel, deleted ones stay, marked. `uploads` are files given to slash commands.
    """

    application: Application
    users: dict[int, User] = field(default_factory=dict)
    guilds: dict[int, Guild] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    messages: dict[int, dict[int, Message]] = field(default_factory=dict)
    commands: dict[int, Command] = field(default_factory=dict)
    command_creates: list[tuple[int, float]] = field(default_factory=list)
    interactions: dict[int, Interaction] = field(default_factory=dict)
    uploads: dict[int, Attachment] = field(default_factory=dict)
    clock_offset: float = 0.0
    last_id: int = 0


@cache
def _state_adapter() -> TypeAdapter[State]:
    return TypeAdapter(State)


@dataclass(frozen=True)
class Event:
    """Something to tell the bot's gateway sessions.

    `guild_id` picks the shard and the kind of intent, `channel_id` (where given) must be one that the bot
    can see, `message` is the one whose text may have to be withheld.
    """

    name: str
    data: Json
    guild_id: int | None = None
    channel_id: int | None = None
    message: Message | None = None


class World:
    """State with its clock; `listeners` hear every event, in order."""

    def __init__(self, clock: Clock, state: State | None = None) -> None:
        self.clock = clock
        self.listeners: list[Callable[[Event], None]] = []
        if state is None:
            self.ids = Snowflakes(clock)
            self.state = self._new_state()
        else:
            self.ids = Snowflakes(clock, state.last_id)
            self.state = state

    def _new_state(self) -> State:
        owner = User(self.ids.next(), "operator", global_name="Operator")
        bot = User(self.ids.next(), "fabler", bot=True)
        token = f"test.{secrets.token_hex(4)}.{secrets.token_hex(16)}"
        application = Application(
            id=bot.id, name="fabler", token=token, owner_id=owner.id, bot_id=bot.id, intents=0
        )
        return State(application, users={owner.id: owner, bot.id: bot})

    @property
    def application(self) -> Application:
        return self.state.application

    @property
    def bot(self) -> User:
        return self.state.users[self.application.bot_id]

    def emit(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)

    # Finding records. An unknown id is answered as Discord answers it.

    def user(self, user_id: int) -> User:
        try:
            return self.state.users[user_id]
        except KeyError:
            raise UNKNOWN_USER.error() from None

    def guild(self, guild_id: int) -> Guild:
        try:
            return self.state.guilds[guild_id]
        except KeyError:
            raise UNKNOWN_GUILD.error() from None

    def member(self, guild_id: int, user_id: int) -> Member:
        try:
            return self.guild(guild_id).members[user_id]
        except KeyError:
            raise UNKNOWN_MEMBER.error() from None

    def channel(self, channel_id: int) -> Channel:
        try:
            return self.state.channels[channel_id]
        except KeyError:
            raise UNKNOWN_CHANNEL.error() from None

    def message(self, channel_id: int, message_id: int) -> Message:
        """A message that everybody in the channel can see. Ephemeral and deleted ones are unknown."""
        message = self.state.messages.get(channel_id, {}).get(message_id)
        if message is None or message.deleted_at is not None or message.visible_to is not None:
            raise UNKNOWN_MESSAGE.error()
        return message

    def any_message(self, message_id: int) -> Message:
        """A message wherever it is, deleted and ephemeral ones included."""
        for messages in self.state.messages.values():
            if message_id in messages:
                return messages[message_id]
        raise UNKNOWN_MESSAGE.error()

    def interaction(self, interaction_id: int) -> Interaction:
        try:
            return self.state.interactions[interaction_id]
        except KeyError:
            raise UNKNOWN_INTERACTION.error() from None

    def channel_messages(self, channel_id: int) -> Iterator[Message]:
        """What everybody in the channel can see, oldest first."""
        for message in self.state.messages.get(channel_id, {}).values():
            if message.deleted_at is None and message.visible_to is None:
                yield message

    def attachment(self, attachment_id: int) -> Attachment | None:
        for messages in self.state.messages.values():
            for message in messages.values():
                for attachment in message.attachments:
                    if attachment.id == attachment_id:
                        return attachment
        return self.state.uploads.get(attachment_id)

    def guild_channels(self, guild_id: int) -> Iterator[Channel]:
        """Channels and threads of a guild, oldest first."""
        return (channel for channel in self.state.channels.values() if channel.guild_id == guild_id)

    def bot_is_in(self, guild_id: int | None) -> bool:
        """Whether the bot is a member; without a guild (direct messages) it always is."""
        if guild_id is None:
            return True
        guild = self.state.guilds.get(guild_id)
        return guild is not None and self.bot.id in guild.members

    # Saving.

    def save(self, path: Path) -> None:
        """Write the state; the old file stays whole until the new one is complete."""
        self.state.clock_offset = self.clock.offset
        self.state.last_id = self.ids.last
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(_state_adapter().dump_json(self.state))
        fresh.replace(path)

    def load(self, path: Path) -> None:
        """Put a saved state in place of this one, clock included. Raises pydantic's ValidationError."""
        self.state = _state_adapter().validate_json(path.read_bytes())
        self.clock.offset = self.state.clock_offset
        self.ids.last = self.state.last_id

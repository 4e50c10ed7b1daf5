"""People as a test plays them: everything here is what a person does in Discord's client.

What the client or Discord would not let them do raises ClientRefusedError.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from ..errors import Json
from .handles import File, Handle, plain, wait_until
from .interactions import Choice, InteractionResult
from .messages import Message
from .places import Channel, Role


class User(Handle):
    """Somebody, in whatever guild the channel belongs to, or in direct messages with the bot."""

    kind = "user"

    @property
    def _record(self) -> Json:
        record: Json = self._link.call("look.user", user_id=self.id)
        return record

    @property
    def name(self) -> str:
        return str(self._record["username"])

    @property
    def locale(self) -> str:
        return str(self._record["locale"])

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"

    @property
    def direct_messages(self) -> Channel:
        """The channel between this person and the bot."""
        return Channel(self._link, self._call("world.direct_channel"))

    def set_locale(self, locale: str) -> None:
        self._call("world.set_locale", locale=locale)

    # Writing.

    async def send(
        self,
        channel: Channel,
        content: str = "",
        *,
        reply_to: Message | None = None,
        files: Sequence[File] = (),
    ) -> Message:
        message_id = await self._do(
            "members.send",
            channel_id=channel.id,
            content=content,
            reply_to=plain(reply_to),
            files=[file.payload() for file in files],
        )
        return Message(self._link, message_id)

    async def edit(self, message: Message, content: str) -> None:
        await self._do("members.edit", message_id=message.id, content=content)

    async def delete(self, message: Message) -> None:
        await self._do("members.delete", message_id=message.id)

    async def react(self, message: Message, emoji: str) -> None:
        await self._do("members.react", message_id=message.id, emoji=emoji)

    async def unreact(self, message: Message, emoji: str) -> None:
        await self._do("members.unreact", message_id=message.id, emoji=emoji)

    async def pin(self, message: Message) -> None:
        await self._do("members.pin", message_id=message.id)

    async def type(self, channel: Channel) -> None:
        """Start typing."""
        await self._do("members.type", channel_id=channel.id)

    # Threads.

    async def start_thread(
        self, channel: Channel, name: str, *, message: Message | None = None, private: bool = False
    ) -> Channel:
        thread_id = await self._do(
            "members.start_thread",
            channel_id=channel.id,
            name=name,
            message_id=plain(message),
            private=private,
        )
        return Channel(self._link, thread_id)

    async def edit_thread(self, thread: Channel, **changes: Any) -> None:
        """`archived`, `locked`, `name`, `auto_archive_duration` (minutes), `invitable`."""
        await self._do("members.edit_thread", channel_id=thread.id, changes=changes)

    async def archive(self, thread: Channel) -> None:
        await self.edit_thread(thread, archived=True)

    async def unarchive(self, thread: Channel) -> None:
        await self.edit_thread(thread, archived=False)

    async def lock(self, thread: Channel) -> None:
        await self.edit_thread(thread, locked=True)

    async def join_thread(self, thread: Channel) -> None:
        await self._do("members.join_thread", channel_id=thread.id)

    async def leave_thread(self, thread: Channel) -> None:
        await self._do("members.leave_thread", channel_id=thread.id)

    async def delete_channel(self, channel: Channel) -> None:
        """A channel or thread, with the permission for it."""
        await self._do("members.delete_channel", channel_id=channel.id)

    # Interactions: each waits for the bot's first answer, or until its three seconds are over.

    async def slash(self, channel: Channel, name: str, **options: Any) -> InteractionResult:
        """Use `/name`, sub-commands with a space: `slash(channel, "story start", prompt="…")`."""
        values = {key: plain(value) for key, value in options.items()}
        return await self._interact("slash", channel_id=channel.id, name=name, options=values)

    async def autocomplete(
        self, channel: Channel, name: str, option: str, typed: str, **options: Any
    ) -> list[Choice]:
        """What the bot offers for `option` after `typed`; `options` are those filled in already."""
        values = {key: plain(value) for key, value in options.items()}
        result = await self._interact(
            "autocomplete", channel_id=channel.id, name=name, focused=option, typed=typed, options=values
        )
        return result.choices

    async def message_command(self, message: Message, name: str) -> InteractionResult:
        return await self._interact("message_command", message_id=message.id, name=name)

    async def user_command(self, channel: Channel, target: User, name: str) -> InteractionResult:
        return await self._interact("user_command", channel_id=channel.id, target_id=target.id, name=name)

    async def click(self, message: Message, button: str) -> InteractionResult:
        """Press the button with this custom id, label or emoji."""
        return await self._interact("click", message_id=message.id, button=button)

    async def select(self, message: Message, *values: Any, menu: str | None = None) -> InteractionResult:
        """Choose in a menu: options by value or label, people, roles and channels by handle."""
        chosen = [plain(value) for value in values]
        return await self._interact("select", message_id=message.id, select=menu, values=chosen)

    async def submit_modal(self, opened: InteractionResult, values: dict[str, Any]) -> InteractionResult:
        """Fill in the modal that an interaction was answered with; fields by custom id or label."""
        return await self._interact("submit_modal", interaction_id=opened.id, values=values)

    async def _interact(self, operation: str, **arguments: Any) -> InteractionResult:
        interaction_id = self._call(f"interactions.{operation}", **arguments)
        result = InteractionResult(self._link, interaction_id)
        # The deadline is the server's: its clock, which a test may stop, ends the wait.
        await wait_until(self._link, lambda: result.acknowledged or result.failed, math.inf, operation)
        return result

    async def _do(self, operation: str, **arguments: Any) -> Any:
        result = self._call(operation, **arguments)
        # The bot gets its turn before the test goes on.
        await asyncio.sleep(0)
        return result

    def _call(self, operation: str, **arguments: Any) -> Any:
        return self._link.call(operation, user_id=self.id, **arguments)


class Member(User):
    """A person in one guild."""

    def __init__(self, link: Any, id: int, guild_id: int) -> None:  # noqa: A002
        super().__init__(link, id)
        self.guild_id = guild_id

    def set_roles(self, *roles: Role) -> None:
        self._call("world.set_member_roles", guild_id=self.guild_id, roles=[role.id for role in roles])

    def leave(self) -> None:
        """Leave the guild."""
        self._call("world.remove_member", guild_id=self.guild_id)

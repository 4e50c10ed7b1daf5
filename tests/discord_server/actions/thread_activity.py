"""What sending and deleting does to a thread: waking it, counting, joining (Topics, "Threads")."""

from __future__ import annotations

from ..errors import THREAD_ARCHIVED, THREAD_LOCKED, Json
from ..payloads.channels import thread_member_payload, thread_payload
from ..payloads.people import member_payload
from ..rules.permissions import Permission, channel_permissions
from ..state.message_records import WRITTEN_TYPES, Message, MessageType
from ..state.records import Channel
from ..state.world import Event, World

_UNCOUNTED = (MessageType.THREAD_STARTER_MESSAGE,)


class ThreadActivity:
    def __init__(self, world: World) -> None:
        self._world = world

    def wake(self, channel: Channel, user_id: int) -> None:
        """Sending un-archives a thread. Raises 160005 where it is locked, except for moderators."""
        thread = channel.thread
        if thread is None:
            return
        if thread.locked and not self._moderates(channel, user_id):
            raise THREAD_LOCKED.error()
        if thread.archived:
            self.set_archived(channel, archived=False)

    def require_open(self, channel: Channel, user_id: int) -> None:
        """For edits and reactions. Raises 50083 in an archived thread, 160005 in a locked one."""
        thread = channel.thread
        if thread is None:
            return
        if thread.archived:
            raise THREAD_ARCHIVED.error()
        if thread.locked and not self._moderates(channel, user_id):
            raise THREAD_LOCKED.error()

    def set_archived(self, channel: Channel, *, archived: bool) -> None:
        thread = channel.thread
        assert thread is not None
        thread.archived = archived
        thread.archive_changed_at = thread.active_at = self._world.clock.now()
        self.announce(channel)

    def announce(self, channel: Channel) -> None:
        data = thread_payload(channel, self._world.bot.id)
        self._world.emit(Event("THREAD_UPDATE", data, channel.guild_id, channel.id))

    def message_sent(self, channel: Channel, message: Message) -> None:
        """Count the message; its author, and whom it pings, join the thread."""
        thread = channel.thread
        if thread is None or message.visible_to is not None:
            return
        thread.active_at = self._world.clock.now()
        if message.type not in _UNCOUNTED:
            thread.message_count += 1
            thread.total_message_sent += 1
        message.position = thread.total_message_sent
        if message.type in WRITTEN_TYPES:
            for user_id in [message.author_id, *message.mentions.users]:
                self.join(channel, user_id)

    def message_removed(self, channel: Channel) -> None:
        if channel.thread is not None:
            channel.thread.message_count = max(0, channel.thread.message_count - 1)

    def join(self, channel: Channel, user_id: int) -> None:
        thread = channel.thread
        if thread is None or channel.guild_id is None or user_id in thread.members:
            return
        guild = self._world.guild(channel.guild_id)
        if user_id not in guild.members:
            return
        thread.members[user_id] = self._world.clock.now()
        if user_id == self._world.bot.id:
            # "when a user is added to any thread" they are sent the thread itself first.
            data = thread_payload(channel, user_id)
            self._world.emit(Event("THREAD_CREATE", data, channel.guild_id, channel.id))
        added = thread_member_payload(channel.id, user_id, thread)
        added["member"] = member_payload(self._world, guild, guild.members[user_id])
        added["presence"] = None
        self._members_changed(channel, {"added_members": [added]})

    def leave(self, channel: Channel, user_id: int) -> None:
        thread = channel.thread
        if thread is not None and thread.members.pop(user_id, None) is not None:
            self._members_changed(channel, {"removed_member_ids": [str(user_id)]})

    def _members_changed(self, channel: Channel, change: Json) -> None:
        thread = channel.thread
        assert thread is not None
        data = {
            "id": str(channel.id),
            "guild_id": str(channel.guild_id),
            "member_count": min(len(thread.members), 50),
            **change,
        }
        self._world.emit(Event("THREAD_MEMBERS_UPDATE", data, channel.guild_id, channel.id))

    def _moderates(self, channel: Channel, user_id: int) -> bool:
        return bool(channel_permissions(self._world, channel, user_id) & Permission.MANAGE_THREADS)

"""Channels and threads ("Channels Resource")."""

from __future__ import annotations

from collections.abc import Callable

from ..actions.services import Services
from ..errors import DIRECT_MESSAGE_ACTION, UNKNOWN_MEMBER, WRONG_CHANNEL_TYPE, Json
from ..payloads.channels import any_channel_payload, thread_member_payload, thread_payload
from ..payloads.people import member_payload
from ..rules.permissions import Permission, can_see, require
from ..state.records import Channel, ChannelType, Overwrite, ThreadState
from .calls import NO_CONTENT, Call, Endpoint, Reply
from .limits import Limits


class ChannelRoutes:
    def __init__(self, services: Services, limits: Limits) -> None:
        self._services = services
        self._world = services.world
        self._limits = limits

    def endpoints(self) -> list[Endpoint]:
        one = "/channels/{channel_id}"
        members = one + "/thread-members"
        archived = one + "/threads/archived"
        return [
            Endpoint("GET", one, self.get),
            Endpoint("PATCH", one, self.edit, "channel-edit"),
            Endpoint("DELETE", one, self.delete, "channel-edit"),
            Endpoint("PUT", one + "/permissions/{overwrite_id}", self.set_overwrite),
            Endpoint("DELETE", one + "/permissions/{overwrite_id}", self.remove_overwrite),
            Endpoint(
                "POST", one + "/messages/{message_id}/threads", self.start_from_message, "thread-create"
            ),
            Endpoint("POST", one + "/threads", self.start_thread, "thread-create"),
            Endpoint("PUT", members + "/@me", self.join),
            Endpoint("DELETE", members + "/@me", self.leave),
            Endpoint("PUT", members + "/{user_id}", self.add_member),
            Endpoint("DELETE", members + "/{user_id}", self.remove_member),
            Endpoint("GET", members + "/{user_id}", self.get_member),
            Endpoint("GET", members, self.list_members),
            Endpoint("GET", archived + "/public", self.archived_public),
            Endpoint("GET", archived + "/private", self.archived_private),
            Endpoint("GET", one + "/users/@me/threads/archived/private", self.archived_joined),
            Endpoint("GET", "/guilds/{guild_id}/threads/active", self.active_threads),
        ]

    def get(self, call: Call) -> Reply:
        return Reply(any_channel_payload(self._world, self._seen(call)))

    def edit(self, call: Call) -> Reply:
        channel, body = self._seen(call), call.form
        if body.keys() & {"name", "topic"}:
            self._limits.enter_rename(channel.id)
        if channel.thread is not None:
            self._services.threads.edit(call.user_id, channel, body)
        elif channel.guild_id is None:
            raise DIRECT_MESSAGE_ACTION.error()
        else:
            self._services.guilds.edit_channel(call.user_id, channel, body)
        return Reply(any_channel_payload(self._world, channel))

    def delete(self, call: Call) -> Reply:
        channel = self._seen(call)
        payload = any_channel_payload(self._world, channel)
        if channel.guild_id is None:
            return Reply(payload)
        needed = Permission.MANAGE_THREADS if channel.thread else Permission.MANAGE_CHANNELS
        require(self._world, channel, call.user_id, needed)
        self._services.guilds.delete_channel(channel)
        return Reply(payload)

    def set_overwrite(self, call: Call) -> Reply:
        channel, body = self._seen(call), call.form
        require(self._world, channel, call.user_id, Permission.MANAGE_ROLES)
        allow, deny = int(body.get("allow") or 0), int(body.get("deny") or 0)
        overwrite = Overwrite(call.id("overwrite_id"), body.get("type") == 1, allow, deny)
        self._services.guilds.set_overwrite(channel, overwrite)
        return NO_CONTENT

    def remove_overwrite(self, call: Call) -> Reply:
        channel = self._seen(call)
        require(self._world, channel, call.user_id, Permission.MANAGE_ROLES)
        self._services.guilds.remove_overwrite(channel, call.id("overwrite_id"))
        return NO_CONTENT

    def start_from_message(self, call: Call) -> Reply:
        where = call.id("channel_id"), call.id("message_id")
        thread = self._services.threads.start_from_message(call.user_id, *where, call.form)
        return Reply(thread_payload(thread, call.user_id), 201)

    def start_thread(self, call: Call) -> Reply:
        parent = self._world.channel(call.id("channel_id"))
        thread = self._services.threads.start(call.user_id, parent.id, call.form, call.files)
        payload = thread_payload(thread, call.user_id)
        if parent.type is ChannelType.FORUM:
            first = next(self._world.channel_messages(thread.id))
            payload["message"] = self._services.payloads.message(first)
        return Reply(payload, 201)

    def join(self, call: Call) -> Reply:
        self._services.threads.add_member(call.user_id, self._seen(call), call.user_id)
        return NO_CONTENT

    def leave(self, call: Call) -> Reply:
        self._services.threads.remove_member(call.user_id, self._seen(call), call.user_id)
        return NO_CONTENT

    def add_member(self, call: Call) -> Reply:
        self._services.threads.add_member(call.user_id, self._seen(call), call.id("user_id"))
        return NO_CONTENT

    def remove_member(self, call: Call) -> Reply:
        self._services.threads.remove_member(call.user_id, self._seen(call), call.id("user_id"))
        return NO_CONTENT

    def get_member(self, call: Call) -> Reply:
        channel, user_id = self._seen(call), call.id("user_id")
        thread = _thread(channel)
        if user_id not in thread.members:
            raise UNKNOWN_MEMBER.error()
        return Reply(self._thread_member(channel, thread, user_id, call))

    def list_members(self, call: Call) -> Reply:
        channel = self._seen(call)
        thread = _thread(channel)
        return Reply([self._thread_member(channel, thread, user_id, call) for user_id in thread.members])

    def archived_public(self, call: Call) -> Reply:
        return self._archived(call, lambda thread: thread.type is not ChannelType.PRIVATE_THREAD)

    def archived_private(self, call: Call) -> Reply:
        require(self._world, self._seen(call), call.user_id, Permission.MANAGE_THREADS)
        return self._archived(call, lambda thread: thread.type is ChannelType.PRIVATE_THREAD)

    def archived_joined(self, call: Call) -> Reply:
        def joined(thread: Channel) -> bool:
            private = thread.type is ChannelType.PRIVATE_THREAD
            return private and call.user_id in _thread(thread).members

        return self._archived(call, joined)

    def active_threads(self, call: Call) -> Reply:
        guild = self._world.guild(call.id("guild_id"))
        threads = [
            channel
            for channel in self._world.guild_channels(guild.id)
            if channel.thread and not channel.thread.archived and can_see(self._world, channel, call.user_id)
        ]
        return Reply(self._listing(threads, call.user_id, has_more=None))

    def _archived(self, call: Call, wanted: Callable[[Channel], bool]) -> Reply:
        parent = self._seen(call)
        require(self._world, parent, call.user_id, Permission.READ_MESSAGE_HISTORY)
        limit = call.number("limit", 50, 2, 100)
        threads = [
            channel
            for channel in self._world.guild_channels(parent.guild_id or 0)
            if channel.parent_id == parent.id
            and channel.thread
            and channel.thread.archived
            and wanted(channel)
        ]
        threads.sort(key=lambda channel: _thread(channel).archive_changed_at, reverse=True)
        return Reply(self._listing(threads[:limit], call.user_id, has_more=len(threads) > limit))

    def _listing(self, threads: list[Channel], user_id: int, *, has_more: bool | None) -> Json:
        joined = [thread for thread in threads if user_id in _thread(thread).members]
        listing: Json = {
            "threads": [thread_payload(thread, user_id) for thread in threads],
            "members": [thread_member_payload(thread.id, user_id, _thread(thread)) for thread in joined],
        }
        return listing if has_more is None else {**listing, "has_more": has_more}

    def _thread_member(self, channel: Channel, thread: ThreadState, user_id: int, call: Call) -> Json:
        payload = thread_member_payload(channel.id, user_id, thread)
        if call.flag("with_member"):
            guild = self._world.guild(channel.guild_id or 0)
            payload["member"] = member_payload(self._world, guild, self._world.member(guild.id, user_id))
        return payload

    def _seen(self, call: Call) -> Channel:
        channel = self._world.channel(call.id("channel_id"))
        require(self._world, channel, call.user_id, 0)
        return channel


def _thread(channel: Channel) -> ThreadState:
    if channel.thread is None:
        raise WRONG_CHANNEL_TYPE.error()
    return channel.thread

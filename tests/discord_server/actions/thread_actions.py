"""Starting, changing and joining threads (Resources, "Channel"; Topics, "Threads")."""

from __future__ import annotations

from ..errors import MISSING_PERMISSIONS, THREAD_ARCHIVED, THREAD_EXISTS, WRONG_CHANNEL_TYPE, Json
from ..payloads.channels import thread_payload
from ..rules.forms import Form
from ..rules.message_form import Upload, check_message, require_something
from ..rules.permissions import Permission, channel_permissions, require
from ..state.message_records import Message, MessageFlag, MessageType, Reference
from ..state.records import Channel, ChannelType, ThreadState
from ..state.world import Event, World
from .message_actions import MessageActions, Origin
from .thread_activity import ThreadActivity

AUTO_ARCHIVE_MINUTES = (60, 1440, 4320, 10080)
_PARENTS = (ChannelType.TEXT, ChannelType.ANNOUNCEMENT)


class ThreadActions:
    def __init__(self, world: World, messages: MessageActions, activity: ThreadActivity) -> None:
        self._world = world
        self._messages = messages
        self.activity = activity

    def start_from_message(self, user_id: int, channel_id: int, message_id: int, body: Json) -> Channel:
        """The thread has the message's id; the message shows it from then on."""
        parent = self._world.channel(channel_id)
        require(self._world, parent, user_id, Permission.CREATE_PUBLIC_THREADS)
        if parent.type not in _PARENTS:
            raise WRONG_CHANNEL_TYPE.error()
        message = self._world.message(channel_id, message_id)
        check_thread(body)
        if message_id in self._world.state.channels:
            raise THREAD_EXISTS.error()
        thread = self._open(parent, user_id, body, ChannelType.PUBLIC_THREAD, message_id)
        self._show_on(message, thread)
        return thread

    def start(self, user_id: int, channel_id: int, body: Json, files: list[Upload]) -> Channel:
        """A thread without a message, or in a forum a post with its first message."""
        parent = self._world.channel(channel_id)
        if parent.type is ChannelType.FORUM:
            return self._start_post(user_id, parent, body, files)
        kind = ChannelType(body.get("type") or ChannelType.PRIVATE_THREAD)
        needed = Permission.CREATE_PUBLIC_THREADS
        if kind is ChannelType.PRIVATE_THREAD:
            needed = Permission.CREATE_PRIVATE_THREADS
        require(self._world, parent, user_id, needed)
        if parent.type not in _PARENTS:
            raise WRONG_CHANNEL_TYPE.error()
        check_thread(body)
        thread = self._open(parent, user_id, body, kind, self._world.ids.next())
        if kind is ChannelType.PUBLIC_THREAD:
            reference = Reference(thread.id, None, thread.guild_id)
            self._messages.system(parent, user_id, MessageType.THREAD_CREATED, thread.name, reference)
        return thread

    def _start_post(self, user_id: int, parent: Channel, body: Json, files: list[Upload]) -> Channel:
        require(self._world, parent, user_id, Permission.SEND_MESSAGES)
        first = body.get("message") or {}
        check_thread(body)
        check_message(first, files, ["message"])
        require_something(first, files)
        thread = self._open(parent, user_id, body, ChannelType.PUBLIC_THREAD, self._world.ids.next())
        self._messages.create(thread, user_id, first, files, Origin())
        return thread

    def edit(self, user_id: int, channel: Channel, body: Json) -> None:
        """Modify Channel for a thread: its starter may rename and archive, the rest needs moderators."""
        thread = channel.thread
        assert thread is not None
        bits = require(self._world, channel, user_id, 0)
        moderates = bool(bits & Permission.MANAGE_THREADS)
        opens = body.get("archived") is False
        if thread.archived and not opens:
            raise THREAD_ARCHIVED.error()
        if not (moderates or self._may_edit(thread, user_id, body)):
            raise MISSING_PERMISSIONS.error()
        check_thread(body, creating=False)
        old_name = channel.name
        channel.name = str(body.get("name", channel.name))
        channel.slowmode = int(body.get("rate_limit_per_user") or channel.slowmode)
        thread.locked = bool(body.get("locked", thread.locked))
        thread.invitable = bool(body.get("invitable", thread.invitable))
        thread.auto_archive_minutes = int(body.get("auto_archive_duration", thread.auto_archive_minutes))
        archived = bool(body.get("archived", thread.archived))
        if archived != thread.archived:
            self.activity.set_archived(channel, archived=archived)
        else:
            self.activity.announce(channel)
        if channel.name != old_name and not thread.archived:
            kind = MessageType.CHANNEL_NAME_CHANGE
            self._messages.system(channel, user_id, kind, channel.name, None)

    def _may_edit(self, thread: ThreadState, user_id: int, body: Json) -> bool:
        wanted = set(body)
        if wanted & {"locked", "rate_limit_per_user"}:
            return False
        if thread.locked:
            return False
        opens = wanted == {"archived"} and body["archived"] is False
        return thread.owner_id == user_id or (opens and user_id in thread.members)

    def archive_idle(self) -> None:
        """Archive threads in which nothing has happened for their `auto_archive_duration`."""
        now = self._world.clock.now()
        for channel in list(self._world.state.channels.values()):
            thread = channel.thread
            if thread is None or thread.archived:
                continue
            if now - thread.active_at >= thread.auto_archive_minutes * 60:
                self.activity.set_archived(channel, archived=True)

    def add_member(self, actor_id: int, channel: Channel, user_id: int) -> None:
        """Join a thread oneself or bring somebody in; not in an archived one."""
        if channel.thread is None:
            raise WRONG_CHANNEL_TYPE.error()
        needed = 0 if actor_id == user_id else Permission.SEND_MESSAGES_IN_THREADS
        require(self._world, channel, actor_id, needed)
        if channel.thread.archived:
            raise THREAD_ARCHIVED.error()
        self.activity.join(channel, user_id)

    def remove_member(self, actor_id: int, channel: Channel, user_id: int) -> None:
        if channel.thread is None:
            raise WRONG_CHANNEL_TYPE.error()
        own = actor_id in (user_id, channel.thread.owner_id)
        bits = channel_permissions(self._world, channel, actor_id)
        if not own and not bits & Permission.MANAGE_THREADS:
            raise MISSING_PERMISSIONS.error()
        self.activity.leave(channel, user_id)

    def _open(self, parent: Channel, user_id: int, body: Json, kind: ChannelType, thread_id: int) -> Channel:
        now = self._world.clock.now()
        state = ThreadState(
            owner_id=user_id,
            created_at=now,
            archive_changed_at=now,
            active_at=now,
            auto_archive_minutes=int(body.get("auto_archive_duration") or 1440),
            invitable=bool(body.get("invitable", True)),
            members={user_id: now},
        )
        channel = Channel(
            id=thread_id,
            type=kind,
            name=str(body["name"]),
            guild_id=parent.guild_id,
            parent_id=parent.id,
            slowmode=int(body.get("rate_limit_per_user") or 0),
            thread=state,
        )
        self._world.state.channels[thread_id] = channel
        data = {**thread_payload(channel, self._world.bot.id), "newly_created": True}
        self._world.emit(Event("THREAD_CREATE", data, channel.guild_id, channel.id))
        return channel

    def _show_on(self, message: Message, thread: Channel) -> None:
        message.flags |= MessageFlag.HAS_THREAD
        self._messages.announce_update(message)
        reference = Reference(message.channel_id, message.id, message.guild_id)
        kind = MessageType.THREAD_STARTER_MESSAGE
        self._messages.system(thread, message.author_id, kind, "", reference)


def check_thread(body: Json, *, creating: bool = True) -> None:
    """Raises ApiError 50035 for a name or life time that Discord does not take."""
    form = Form()
    if creating or "name" in body:
        form.text(["name"], body.get("name"), 100, 1, required=True)
    duration = body.get("auto_archive_duration")
    if duration is not None:
        form.choice(["auto_archive_duration"], duration, AUTO_ARCHIVE_MINUTES)
    form.whole(["rate_limit_per_user"], body.get("rate_limit_per_user"), 0, 21600)
    if creating and body.get("type") is not None:
        form.choice(["type"], body["type"], (10, 11, 12))
    form.check()

"""Gateway sessions: numbered events kept for RESUME, and which events a session is told of."""

from __future__ import annotations

import json
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from ..errors import Json
from ..payloads.messages import content_is_open, withheld
from ..rules.permissions import can_see
from ..state.world import Event, World
from .intents import Intent, needed_for

# How many events a session keeps for RESUME; one that missed more has to start anew.
REPLAY_LIMIT = 2000
# "the session will remain active and timeout after a few minutes" (Initiating a Disconnect).
RESUME_SECONDS = 180.0


# Channels themselves are no secret to a bot, only what is in them.
_UNHIDDEN = ("CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE")


class Link(Protocol):
    """The connection that carries a session at the moment."""

    def push(self, payload: str) -> None: ...

    def close(self, code: int) -> None: ...

    def send(self, opcode: int, data: object = None) -> None: ...

    def abort(self) -> None: ...


@dataclass
class Session:
    intents: int
    shard: tuple[int, int]
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    sequence: int = 0
    replay: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=REPLAY_LIMIT))
    link: Link | None = None
    unlinked_at: float | None = None

    def dispatch(self, name: str, data: Json) -> None:
        self.sequence += 1
        payload = json.dumps({"op": 0, "t": name, "s": self.sequence, "d": data}, ensure_ascii=False)
        self.replay.append((self.sequence, payload))
        if self.link is not None:
            self.link.push(payload)

    def missed_since(self, sequence: int) -> list[str] | None:
        """Events after this one, or nothing when some are no longer kept."""
        missed = [payload for number, payload in self.replay if number > sequence]
        return missed if len(missed) == self.sequence - sequence else None

    def serves(self, guild_id: int | None) -> bool:
        """Events without a guild go to the first shard (Using Gateway, "Sharding Formula")."""
        index, count = self.shard
        return index == (0 if guild_id is None else (guild_id >> 22) % count)


@dataclass
class EventDrop:
    """Events to lose: those of this name whose data has these values at its top level."""

    name: str
    where: Json
    times: int


class Hub:
    """All sessions of the bot. Listens to the world and tells each session what it may know."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.sessions: dict[str, Session] = {}
        self.drops: list[EventDrop] = []
        world.listeners.append(self.publish)

    def publish(self, event: Event) -> None:
        if not self._visible(event):
            return
        if self.sessions and self._dropped(event):
            return
        for session in self.sessions.values():
            if session.serves(event.guild_id) and self._wanted(session, event):
                session.dispatch(event.name, self._data_for(session, event))

    def open(self, intents: int, shard: tuple[int, int]) -> Session:
        session = Session(intents, shard)
        self.sessions[session.id] = session
        return session

    def resumable(self, session_id: str) -> Session | None:
        session = self.sessions.get(session_id)
        if session is None:
            return None
        since = session.unlinked_at
        if since is not None and self._world.clock.running() - since > RESUME_SECONDS:
            del self.sessions[session_id]
            return None
        return session

    def unlink(self, session: Session, link: Link, *, ended: bool) -> None:
        """The connection is gone. `ended` where the client closed with 1000 or 1001."""
        if session.link is link:
            session.link = None
            session.unlinked_at = self._world.clock.running()
        if ended:
            self.sessions.pop(session.id, None)

    def _visible(self, event: Event) -> bool:
        if event.name == "GUILD_DELETE":
            return True
        if event.channel_id is not None and event.name not in _UNHIDDEN:
            channel = self._world.state.channels.get(event.channel_id)
            return channel is not None and can_see(self._world, channel, self._world.bot.id)
        return self._world.bot_is_in(event.guild_id)

    def _wanted(self, session: Session, event: Event) -> bool:
        needed = needed_for(event.name, in_guild=event.guild_id is not None)
        return session.intents & needed == needed or self._concerns_bot_itself(event)

    def _dropped(self, event: Event) -> bool:
        for drop in self.drops:
            fits = all(event.data.get(key) == value for key, value in drop.where.items())
            if drop.name == event.name and fits:
                drop.times -= 1
                if drop.times <= 0:
                    self.drops.remove(drop)
                return True
        return False

    def _concerns_bot_itself(self, event: Event) -> bool:
        """Changes of the bot's own member are sent whatever the intents (Using Gateway, "Caveats")."""
        user = event.data.get("user") or {}
        return event.name == "GUILD_MEMBER_UPDATE" and user.get("id") == str(self._world.bot.id)

    def _data_for(self, session: Session, event: Event) -> Json:
        data = event.data
        if event.message is not None and not session.intents & Intent.MESSAGE_CONTENT:
            return data if content_is_open(self._world, event.message) else withheld(data)
        if event.name == "THREAD_MEMBERS_UPDATE" and not session.intents & Intent.GUILD_MEMBERS:
            return self._only_own_membership(data)
        return data

    def _only_own_membership(self, data: Json) -> Json:
        bot_id = str(self._world.bot.id)
        added = [entry for entry in data.get("added_members", ()) if entry["user_id"] == bot_id]
        removed = [entry for entry in data.get("removed_member_ids", ()) if entry == bot_id]
        rest = {key: data[key] for key in ("id", "guild_id", "member_count")}
        return {**rest, "added_members": added, "removed_member_ids": removed}

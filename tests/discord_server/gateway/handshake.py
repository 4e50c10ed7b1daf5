"""IDENTIFY and RESUME: who may open or take up a session, and what they are sent first."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Json
from ..payloads.people import (
    application_flags,
    guild_create_payload,
    member_payload,
    user_payload,
)
from ..state.world import World
from .intents import ALL_INTENTS, PRIVILEGED, Intent
from .sessions import Hub, Link, Session
from .settings import GatewaySettings

AUTHENTICATION_FAILED, INVALID_SEQUENCE = 4004, 4007
INVALID_SHARD, SHARDING_REQUIRED = 4010, 4011
INVALID_INTENTS, DISALLOWED_INTENTS = 4013, 4014
GUILDS_PER_SHARD = 2500
CHUNK_SIZE = 1000


class Handshake:
    """`report` is told of what the bot sent that the server does not know."""

    def __init__(
        self, world: World, hub: Hub, settings: GatewaySettings, url: str, report: Callable[[str], None]
    ) -> None:
        self._world = world
        self.hub = hub
        self.settings = settings
        self.url = url
        self.report = report
        self.starts = 0
        self._identified_at: dict[int, float] = {}

    def identify(self, data: Json) -> Session | int | None:
        """A new session, a close code, or nothing where the bot identifies too often (opcode 9)."""
        refusal = self._refusal(data)
        if refusal is not None:
            return refusal
        index, count = data.get("shard") or (0, 1)
        if self._too_soon(index % self.settings.max_concurrency):
            return None
        self.starts += 1
        return self.hub.open(int(data["intents"]), (index, count))

    def _refusal(self, data: Json) -> int | None:
        if data.get("token") != self._world.application.token:
            return AUTHENTICATION_FAILED
        shard = data.get("shard") or [0, 1]
        if not _is_shard(shard):
            return INVALID_SHARD
        if len(self._world.state.guilds) / shard[1] > GUILDS_PER_SHARD:
            return SHARDING_REQUIRED
        intents = data.get("intents")
        if not isinstance(intents, int) or intents & ~ALL_INTENTS or intents < 0:
            return INVALID_INTENTS
        return DISALLOWED_INTENTS if intents & PRIVILEGED & ~self._world.application.intents else None

    def _too_soon(self, key: int) -> bool:
        now = self._world.clock.running()
        last = self._identified_at.get(key)
        if last is not None and now - last < self.settings.identify_seconds:
            return True
        self._identified_at[key] = now
        return False

    def resume(self, data: Json) -> Session | int | None:
        """The session to go on with, a close code, or nothing where it is lost (opcode 9)."""
        if data.get("token") != self._world.application.token:
            return AUTHENTICATION_FAILED
        sequence = data.get("seq")
        if not isinstance(sequence, int):
            return INVALID_SEQUENCE
        session = self.hub.resumable(str(data.get("session_id")))
        if session is None:
            return None
        if sequence > session.sequence:
            return INVALID_SEQUENCE
        if session.missed_since(sequence) is None:
            del self.hub.sessions[session.id]
            return None
        return session

    def greet(self, session: Session, link: Link) -> None:
        """READY with guilds unavailable, then GUILD_CREATE for each."""
        session.link = link
        world = self._world
        guilds = [g for g in world.state.guilds.values() if world.bot_is_in(g.id) and session.serves(g.id)]
        application = world.application
        session.dispatch(
            "READY",
            {
                "v": 10,
                "user": {**user_payload(world.bot), "verified": True, "mfa_enabled": False, "email": None},
                "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
                "session_id": session.id,
                "session_type": "normal",
                "resume_gateway_url": self.url,
                "shard": list(session.shard),
                "application": {"id": str(application.id), "flags": application_flags(application)},
                "private_channels": [],
                "user_settings": {},
                "_trace": ["test"],
            },
        )
        if not session.intents & Intent.GUILDS:
            return
        everybody = bool(session.intents & Intent.GUILD_PRESENCES)
        for guild in guilds:
            session.dispatch("GUILD_CREATE", guild_create_payload(world, guild, everybody=everybody))

    def replay(self, session: Session, link: Link, sequence: int) -> None:
        """What was missed, in order and with its old numbers, then RESUMED."""
        if session.link is not None:
            session.link.close(4000)
        for payload in session.missed_since(sequence) or ():
            link.push(payload)
        session.link = link
        session.unlinked_at = None
        session.dispatch("RESUMED", {"_trace": ["test"]})

    def send_members(self, session: Session, wanted: Json) -> None:
        """Request Guild Members, answered in chunks."""
        guild_id = int(wanted.get("guild_id") or 0)
        guild = self._world.state.guilds.get(guild_id)
        if guild is None or not self._world.bot_is_in(guild_id):
            return
        ids = wanted.get("user_ids")
        prefix, limit = str(wanted.get("query") or "").lower(), int(wanted.get("limit") or 0)
        found = [m for m in guild.members.values() if self._matches(m.user_id, m.nick, ids, prefix)]
        found = found[:limit] if limit else found
        known = {str(member.user_id) for member in found}
        chunks = [found[start : start + CHUNK_SIZE] for start in range(0, len(found), CHUNK_SIZE)] or [[]]
        for index, chunk in enumerate(chunks):
            data: Json = {
                "guild_id": str(guild_id),
                "members": [member_payload(self._world, guild, member) for member in chunk],
                "chunk_index": index,
                "chunk_count": len(chunks),
                "not_found": [entry for entry in _listed(ids) if entry not in known],
            }
            if wanted.get("nonce") is not None:
                data["nonce"] = wanted["nonce"]
            session.dispatch("GUILD_MEMBERS_CHUNK", data)

    def _matches(self, user_id: int, nick: str | None, ids: object, prefix: str) -> bool:
        if ids:
            return str(user_id) in _listed(ids)
        return any(
            name.lower().startswith(prefix) for name in (self._world.user(user_id).username, nick or "")
        )


def _listed(ids: object) -> list[str]:
    return [str(entry) for entry in ids] if isinstance(ids, list) else [str(ids)] if ids else []


def _is_shard(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    index, count = value
    return isinstance(index, int) and isinstance(count, int) and 0 <= index < count

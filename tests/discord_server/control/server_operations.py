"""The server's own controls: recorded requests, faults, limits, the gateway, the clock, saving."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DiscordServerError, Json
from ..gateway.connection import HEARTBEAT, INVALID_SESSION, RECONNECT
from ..gateway.sessions import EventDrop, Session
from ..rest.faults import Fault

if TYPE_CHECKING:
    from ..core import ServerCore


class ServerOperations:
    def __init__(self, core: ServerCore) -> None:
        self._core = core

    def requests(self, since: int) -> list[Json]:
        return [request.payload() for request in self._core.journal.requests[since:]]

    def unexpected(self) -> list[str]:
        return self._core.journal.unexpected

    def forgive(self) -> None:
        """Forget what could not be served, for a test that asks for it on purpose."""
        self._core.journal.unexpected.clear()

    def add_fault(self, **fault: Any) -> None:
        self._core.faults.waiting.append(Fault(**fault))

    def clear_faults(self) -> int:
        """How many had not come to pass yet."""
        left = len(self._core.faults.waiting)
        self._core.faults.waiting.clear()
        return left

    def drop_event(self, name: str, where: Json, times: int) -> None:
        self._core.hub.drops.append(EventDrop(name, where, times))

    def set_bucket(self, name: str, limit: int, seconds: float) -> None:
        self._core.limits.set_bucket(name, limit, seconds)

    def set_limits(self, **values: Any) -> None:
        """Fields of `Limits`: `global_limit`, `old_edits`, `renames`, `invalid_limit`, `enabled`."""
        _set_fields(
            self._core.limits, values, ("global_limit", "old_edits", "renames", "invalid_limit", "enabled")
        )

    def invalid_requests(self) -> int:
        return self._core.limits.invalid

    def set_gateway(self, **values: Any) -> None:
        """Fields of `GatewaySettings`."""
        settings = self._core.gateway_settings
        _set_fields(settings, values, tuple(vars(settings)))

    def sessions(self) -> list[Json]:
        return [
            {
                "id": session.id,
                "intents": session.intents,
                "shard": list(session.shard),
                "sequence": session.sequence,
                "connected": session.link is not None,
            }
            for session in self._core.hub.sessions.values()
        ]

    def identifies(self) -> int:
        return self._core.handshake.starts

    def drop(self, resume: bool, code: int | None, shard: int | None) -> int:
        """Lose connections: with a close code, or without a word. Returns how many."""
        dropped = 0
        for session in self._linked(shard):
            link = session.link
            assert link is not None
            if not resume:
                del self._core.hub.sessions[session.id]
            if code is None:
                link.abort()
            else:
                link.close(code)
            dropped += 1
        return dropped

    def invalid_session(self, resumable: bool, shard: int | None) -> None:
        for session in self._linked(shard):
            if not resumable:
                del self._core.hub.sessions[session.id]
            _send(session, INVALID_SESSION, resumable)

    def request_reconnect(self, shard: int | None) -> None:
        for session in self._linked(shard):
            _send(session, RECONNECT, None)

    def request_heartbeat(self, shard: int | None) -> None:
        for session in self._linked(shard):
            _send(session, HEARTBEAT, None)

    def advance_clock(self, seconds: float) -> None:
        self._core.world.clock.advance(seconds)
        self._core.services.threads.archive_idle()

    def freeze_clock(self) -> None:
        self._core.world.clock.freeze()

    def resume_clock(self) -> None:
        self._core.world.clock.resume()

    def save(self, path: str) -> None:
        self._core.world.save(Path(path))

    def load(self, path: str) -> None:
        """Sessions are lost, as when Discord's gateway is restarted: the bot has to identify anew."""
        self._core.world.load(Path(path))
        self.drop(resume=False, code=4000, shard=None)

    def _linked(self, shard: int | None) -> list[Session]:
        sessions = list(self._core.hub.sessions.values())
        return [s for s in sessions if s.link is not None and shard in (None, s.shard[0])]


def _send(session: Session, opcode: int, data: object) -> None:
    assert session.link is not None
    session.link.send(opcode, data)


def _set_fields(target: object, values: Json, allowed: tuple[str, ...]) -> None:
    for name, value in values.items():
        if name not in allowed:
            raise DiscordServerError(f"there is no setting {name!r}, only {', '.join(allowed)}")
        setattr(target, name, tuple(value) if isinstance(value, list) else value)

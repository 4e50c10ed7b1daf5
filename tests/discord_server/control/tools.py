"""A test's tools beside members: recorded requests, faults, rate limits, the gateway, the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import Json
from ..gateway.intents import PRIVILEGED, Intent
from ..rest.calls import route_pattern
from .handles import DEFAULT_TIMEOUT, wait_until
from .links import Link


@dataclass(frozen=True)
class RecordedRequest:
    """One request of the bot; see `rest.journal.Request` for the fields."""

    index: int
    time: float
    method: str
    path: str
    route: str | None
    query: dict[str, str] | None
    body: Any
    files: list[str] | None
    status: int
    response: Any
    retry_after: float | None
    ended: float | None
    fault: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path} -> {self.status}"


class Requests(list[RecordedRequest]):
    """Every request since the start, oldest first."""

    @classmethod
    def read(cls, link: Link) -> Requests:
        return cls(RecordedRequest(**entry) for entry in link.call("server.requests", since=0))

    def to(self, route: str) -> Requests:
        """Those to a route, e.g. `PATCH /channels/*/messages/*`; without a method, any."""
        pattern = route_pattern(route)
        return Requests(r for r in self if pattern.fullmatch(f"{r.method} {r.path}"))

    def with_status(self, status: int) -> Requests:
        return Requests(request for request in self if request.status == status)

    def since(self, time: float) -> Requests:
        return Requests(request for request in self if request.time >= time)

    def per_second(self) -> int:
        """The most requests that began within any one second."""
        times = sorted(request.time for request in self)
        return max((sum(1 for t in times if start <= t < start + 1) for start in times), default=0)


class FaultTools:
    def __init__(self, link: Link) -> None:
        self._link = link

    def next(
        self,
        route: str,
        *,
        status: int | None = None,
        delay: float = 0.0,
        cut: bool = False,
        lose_answer: bool = False,
        times: int = 1,
        skip: int = 0,
        retry_after: float = 0.1,
        scope: str = "user",
        via: bool = True,
    ) -> None:
        """What happens to the next `times` requests to the route; see `rest.faults.Fault`."""
        arguments = {key: value for key, value in locals().items() if key != "self"}
        self._link.call("server.add_fault", **arguments)

    def clear(self) -> int:
        """Take back what has not come to pass; returns how many faults that were."""
        return int(self._link.call("server.clear_faults"))


class LimitTools:
    def __init__(self, link: Link) -> None:
        self._link = link

    def set(self, bucket: str, limit: int, seconds: float) -> None:
        """A bucket of `rest.limits`, such as `message-edit`: so many requests per so many seconds."""
        self._link.call("server.set_bucket", name=bucket, limit=limit, seconds=seconds)

    def set_global(self, per_second: int) -> None:
        self._link.call("server.set_limits", global_limit=per_second)

    def set_old_edits(self, limit: int, seconds: float) -> None:
        """Edits of messages older than an hour, per channel."""
        self._link.call("server.set_limits", old_edits=[limit, seconds])

    def set_renames(self, limit: int, seconds: float) -> None:
        """Changes of a channel's name or topic."""
        self._link.call("server.set_limits", renames=[limit, seconds])

    def set_invalid(self, limit: int) -> None:
        """Invalid requests in ten minutes that bring a ban."""
        self._link.call("server.set_limits", invalid_limit=limit)

    def switch_off(self) -> None:
        self._link.call("server.set_limits", enabled=False)

    @property
    def invalid_requests(self) -> int:
        """How many 401, 403 and 429 there were (shared limits not counted)."""
        return int(self._link.call("server.invalid_requests"))


class GatewayTools:
    """Acts on all connected sessions, or on those of one shard."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def sessions(self) -> list[Json]:
        """`id`, `intents`, `shard`, `sequence`, `connected` of each."""
        return list(self._link.call("server.sessions"))

    @property
    def identifies(self) -> int:
        """How many sessions were started."""
        return int(self._link.call("server.identifies"))

    def settings(self, **values: Any) -> None:
        """Fields of `gateway.settings.GatewaySettings`, for connections to come."""
        self._link.call("server.set_gateway", **values)

    def drop(self, *, resume: bool = True, code: int | None = None, shard: int | None = None) -> int:
        """Lose the connections, without a word or with a close code; `resume` keeps their sessions."""
        return int(self._link.call("server.drop", resume=resume, code=code, shard=shard))

    def invalid_session(self, resumable: bool, *, shard: int | None = None) -> None:
        self._link.call("server.invalid_session", resumable=resumable, shard=shard)

    def request_reconnect(self, *, shard: int | None = None) -> None:
        self._link.call("server.request_reconnect", shard=shard)

    def request_heartbeat(self, *, shard: int | None = None) -> None:
        self._link.call("server.request_heartbeat", shard=shard)

    def refuse(self, times: int) -> None:
        """Turn the next connection attempts away."""
        self.settings(refusals=times)

    async def connected(self, shards: int = 1, timeout: float = DEFAULT_TIMEOUT) -> None:  # noqa: ASYNC109
        """Wait until so many shards are connected. Raises TimeoutError."""

        def enough() -> bool:
            return sum(1 for session in self.sessions if session["connected"]) >= shards

        await wait_until(self._link, enough, timeout, f"{shards} gateway sessions")


class ClockTools:
    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def now(self) -> float:
        return float(self._link.call("look.now"))

    def advance(self, seconds: float) -> None:
        """Interactions expire, threads archive, messages grow old, limits run out."""
        self._link.call("server.advance_clock", seconds=seconds)

    def freeze(self) -> None:
        """Time stands still but for `advance`; rate limits run on."""
        self._link.call("server.freeze_clock")

    def resume(self) -> None:
        self._link.call("server.resume_clock")


class ApplicationTools:
    """What the developer portal says of the bot's application."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def _record(self) -> Json:
        record: Json = self._link.call("look.application")
        return record

    @property
    def id(self) -> int:
        return int(self._record["id"])

    @property
    def bot_id(self) -> int:
        return int(self._record["bot_id"])

    @property
    def token(self) -> str:
        return str(self._record["token"])

    @property
    def owner_id(self) -> int:
        return int(self._record["owner_id"])

    def set_owner(self, user_id: int) -> None:
        self._link.call("world.set_owner", user_id=user_id)

    def set_portal(
        self, *, interactions_endpoint_url: str | None = None, requires_code_grant: bool = False
    ) -> None:
        """Further switches of the developer portal."""
        self._link.call(
            "world.set_portal",
            interactions_endpoint_url=interactions_endpoint_url,
            requires_code_grant=requires_code_grant,
        )

    def enable_only(self, intents: Intent) -> None:
        """Switch on these privileged intents and no others; at first all are on."""
        self._link.call("world.set_intents", intents=int(intents & PRIVILEGED))

    def commands(self, guild_id: int | None = None) -> list[Json]:
        """Registered commands: global ones, or a guild's own."""
        return list(self._link.call("look.commands", guild_id=guild_id))

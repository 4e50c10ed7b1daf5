"""`DiscordServer` in this process, `SpawnedDiscordServer` in one of its own; both with the same controls."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .control.handles import DEFAULT_TIMEOUT, Found, wait_until
from .control.links import Link, LocalLink, RemoteLink
from .control.people import User
from .control.places import Guild
from .control.tools import (
    ApplicationTools,
    ClockTools,
    FaultTools,
    GatewayTools,
    LimitTools,
    Requests,
)
from .core import ServerCore
from .errors import DiscordServerError, Json, UnexpectedTraffic

START_SECONDS = 20.0


class DiscordControl:
    """Everything that a test does with a server, wherever it runs."""

    _link: Link
    api_base: str
    gateway_url: str

    @property
    def application(self) -> ApplicationTools:
        return ApplicationTools(self._link)

    @property
    def bot_token(self) -> str:
        return self.application.token

    @property
    def bot(self) -> User:
        return User(self._link, self.application.bot_id)

    @property
    def requests(self) -> Requests:
        return Requests.read(self._link)

    @property
    def faults(self) -> FaultTools:
        return FaultTools(self._link)

    @property
    def limits(self) -> LimitTools:
        return LimitTools(self._link)

    @property
    def gateway(self) -> GatewayTools:
        return GatewayTools(self._link)

    @property
    def clock(self) -> ClockTools:
        return ClockTools(self._link)

    @property
    def guilds(self) -> list[Guild]:
        return [Guild(self._link, guild_id) for guild_id in self._link.call("look.guilds")]

    def create_guild(
        self, name: str, *, owner: str = "owner", locale: str = "en-US", bot: bool = True
    ) -> Guild:
        """A guild with its owner and, unless told otherwise, the bot in it."""
        owner_id = self.user(owner).id
        guild_id = self._link.call(
            "world.create_guild", name=name, owner_id=owner_id, locale=locale, with_bot=bot
        )
        return Guild(self._link, guild_id)

    def user(self, name: str, *, locale: str = "en-US") -> User:
        """The person of this name, in no guild by that alone; made when first asked for."""
        user_id = self._link.call("look.user_named", name=name)
        if user_id is None:
            user_id = self._link.call("world.create_user", name=name, locale=locale)
        return User(self._link, user_id)

    async def wait_for(
        self,
        condition: Callable[[], Found],
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109
        what: str = "the condition",
    ) -> Found:
        """The condition's value once it is true. Raises TimeoutError with the latest requests in it."""
        return await wait_until(self._link, condition, timeout, what)

    def drop_event(self, name: str, *, times: int = 1, **where: Any) -> None:
        """Lose the next events of this name, e.g. `drop_event("MESSAGE_CREATE", channel_id=channel.id)`."""
        fields: Json = {
            key: str(v) if isinstance(v, int) and key.endswith("id") else v for key, v in where.items()
        }
        self._link.call("server.drop_event", name=name, where=fields, times=times)

    def save(self, path: Path) -> None:
        self._link.call("server.save", path=str(path.absolute()))

    def load(self, path: Path) -> None:
        """The saved world in place of this one; the bot's sessions end, as when a gateway restarts."""
        self._link.call("server.load", path=str(path.absolute()))

    @property
    def unexpected(self) -> list[str]:
        """Requests that the server does not know, and its own failures."""
        return list(self._link.call("server.unexpected"))

    def forgive(self) -> None:
        """Let unexpected requests pass, for a test that makes them on purpose."""
        self._link.call("server.forgive")

    def check(self) -> None:
        """Raises UnexpectedTraffic when there was any; leaving the `async with` does so too."""
        found = self.unexpected
        if found:
            raise UnexpectedTraffic(found)


class DiscordServer(DiscordControl):
    """A Discord on a loopback port of its own, in the running event loop.

    async with DiscordServer() as discord: …
    """

    def __init__(self, *, port: int = 0, state_file: Path | None = None) -> None:
        self._core = ServerCore(port=port, state_file=state_file)

    @staticmethod
    def spawn(*, state_file: Path | None = None, port: int = 0) -> SpawnedDiscordServer:
        """The same in a process of its own, for tests that kill the bot or the server."""
        return SpawnedDiscordServer(state_file=state_file, port=port)

    async def __aenter__(self) -> Self:
        await self._core.start()
        self._link = LocalLink(self._core.operations)
        self.api_base, self.gateway_url = self._core.api_base, self._core.gateway_url
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._core.stop()
        if error is None:
            self.check()
        elif self.unexpected:
            error.add_note(str(UnexpectedTraffic(self.unexpected)))


class SpawnedDiscordServer(DiscordControl):
    """`python -m tests.discord_server` as a child process; keeps its port over `kill` and `start`."""

    def __init__(self, *, state_file: Path | None = None, port: int = 0) -> None:
        self._state_file = state_file
        self._port = port or _free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._link = RemoteLink("127.0.0.1", self._port)
        self.api_base = f"http://127.0.0.1:{self._port}/api/v10"
        self.gateway_url = f"ws://127.0.0.1:{self._port}/gateway"

    async def start(self) -> None:
        """Raises DiscordServerError when it does not come up."""
        arguments = ["-m", "tests.discord_server", "--attached", "--port", str(self._port)]
        if self._state_file is not None:
            arguments += ["--state", str(self._state_file)]
        root = Path(__file__).parents[2]
        environment = {**os.environ, "PYTHONPATH": str(root)}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await self._until_up(self._process)

    async def _until_up(self, process: asyncio.subprocess.Process) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + START_SECONDS
        while process.returncode is None and loop.time() < end:
            try:
                self._link.call("look.now")
            except OSError:
                await asyncio.sleep(0.02)
            else:
                return
        raise DiscordServerError(f"the server on port {self._port} did not start")

    async def kill(self) -> None:
        """`kill -9`: what it has answered is in the state file, nothing is said to the bot."""
        await self._end("kill")

    async def terminate(self) -> None:
        await self._end("terminate")

    async def _end(self, how: str) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            getattr(process, how)()
            await process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unexpected = self.unexpected if self._process is not None else []
        await self.terminate()
        if unexpected and error is None:
            raise UnexpectedTraffic(unexpected)
        if unexpected and error is not None:
            error.add_note(str(UnexpectedTraffic(unexpected)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

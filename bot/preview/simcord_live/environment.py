"""simcord's clock, world and environment, for a bot that never rests: real time, and nothing that waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import Context
from datetime import UTC, datetime
from typing import Any

import discord
from simcord import Env
from simcord._clock import Clock
from simcord._dpy_internals import real_monotonic
from simcord._runtime import _CallbackRecord
from simcord.backend import Backend

log = logging.getLogger(__name__)

ANSWER_TIMEOUT = 3.0  # seconds that Discord gives a bot to answer an interaction
GRACE = 0.05  # seconds in which what the bot does next still belongs to the action
TYPING_LASTS = 10.0  # seconds, as on Discord
LOG_LENGTH = 5000  # entries of simcord's logs that are kept


class RealClock(Clock):
    """simcord's clock, set to this machine's: both its readings go on by themselves."""

    def __init__(self) -> None:
        pass

    @property
    def elapsed(self) -> float:
        return real_monotonic()

    @elapsed.setter
    def elapsed(self, value: float) -> None:
        raise AttributeError("real time cannot be set")

    def now(self) -> datetime:
        return datetime.now(UTC)

    def advance(self, seconds: float) -> None:
        """Nothing to do: real time advances itself."""


class _Log(deque[Any]):
    """One of simcord's logs, without its endless growth, telling of each entry."""

    def __init__(self, told: Callable[[Any], None]) -> None:
        super().__init__(maxlen=LOG_LENGTH)
        self._told = told

    def append(self, entry: Any) -> None:
        super().append(entry)
        self._told(entry)


class LiveBackend(Backend):
    """simcord's world in real time, with a Discord language for each member and a count of what happened."""

    def __init__(self) -> None:
        self.locales: dict[int, str] = {}
        super().__init__(clock=RealClock())

    @classmethod
    def of(cls, backend: Backend) -> LiveBackend:
        """The same world made live, whichever make it was saved by."""
        live = cls()
        live.__dict__.update(backend.__dict__, clock=live.clock)
        return live

    def begin(self) -> None:
        """Start the logs of this process."""
        self.changes = 0
        self._typing: dict[int, float] = {}
        self.transcript = _Log(self._note_event)  # type: ignore[assignment]
        self.http_requests = _Log(self._note_request)  # type: ignore[assignment]

    def set_locale(self, user_id: int, locale: str) -> None:
        """The language of a member's Discord, as `Interaction.locale` will tell it."""
        self.locales[user_id] = locale
        self.changes += 1

    def is_typing(self, channel_id: int) -> bool:
        """Whether the bot is shown as typing there."""
        return time.monotonic() - self._typing.get(channel_id, -TYPING_LASTS) < TYPING_LASTS

    def emit(self, event: str, payload: Mapping[str, Any]) -> None:
        if event == "INTERACTION_CREATE":
            user = payload.get("user") or payload["member"]["user"]
            payload = {**payload, "locale": self.locales.get(int(user["id"]), "en-US")}
        super().emit(event, payload)

    def _note_event(self, _entry: Any) -> None:
        self.changes += 1

    def _note_request(self, entry: Any) -> None:
        match entry.path.strip("/").split("/"):
            case ["channels", channel_id, "typing"]:
                self._typing[int(channel_id)] = time.monotonic()
            case ["channels", channel_id, "messages"] if entry.method == "POST":
                self._typing.pop(int(channel_id), None)


class LiveEnv(Env):
    """simcord's environment for a bot that never rests: nothing waits until it does, and time is real."""

    backend: LiveBackend

    def __init__(self, bot: discord.Client, backend: Backend | None = None) -> None:
        super().__init__(bot, check_errors=False)
        self.backend = LiveBackend.of(backend) if backend is not None else LiveBackend()
        self.backend.begin()

    async def start(self) -> None:
        """Log the bot in and wait until it is ready."""
        await super().start()
        self._give_timers_back()
        await self.bot.wait_until_ready()

    async def restart_bot(self, bot: discord.Client | None = None) -> None:
        """Close the bot and start another one, as a new process would."""
        await self.close_bot()
        await super().restart_bot(bot)
        self._give_timers_back()
        await self.bot.wait_until_ready()

    async def close_bot(self) -> None:
        """The bot's own `close()`, which simcord leaves out."""
        with self._bot_scope():
            await self.bot.close()

    async def sync_missing_commands(self) -> None:
        """Sync the bot's commands where this Discord has none: its memory may be younger than the bot's."""
        tree: discord.app_commands.CommandTree[Any] | None = getattr(self.bot, "tree", None)
        if tree is not None and tree.get_commands() and not self.backend.commands.get(None):
            with self._bot_scope():
                await tree.sync()

    async def until(self, condition: Callable[[], object], timeout: float = 5.0) -> None:  # noqa: ASYNC109
        """Wait for something to come true; `TimeoutError` after so many seconds."""
        async with asyncio.timeout(timeout):
            while not condition():  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.01)

    async def _settle_internal(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109
        idle: float = 0.05,
        dispatch: str | None = None,
        _deadline: float | None = None,
    ) -> None:
        if dispatch == "INTERACTION_CREATE":
            interaction = next(reversed(self.backend.interactions.values()))
            try:
                await self.until(lambda: interaction.responded, ANSWER_TIMEOUT)
            except TimeoutError:
                log.warning("The bot did not answer an interaction within %.0f seconds", ANSWER_TIMEOUT)
        await asyncio.sleep(GRACE)

    def _schedule_timer(
        self,
        record: _CallbackRecord,
        callback: Any,
        args: tuple[Any, ...],
        schedule_context: Context | None,
    ) -> None:
        # A timer set while the bot logs in; simcord would hold some of them until told to move its clock.
        def fire() -> None:
            if record.handle is not None and not record.handle.cancelled():
                record.handle._run()

        if self._runtime is not None:
            record.real_handle = self._runtime.call_at(record.when, fire, context=schedule_context)

    def _give_timers_back(self) -> None:
        # simcord keeps a record of each callback until the bot has settled, which never happens here.
        for name in ("call_soon", "call_later", "call_at", "call_soon_threadsafe", "run_in_executor"):
            setattr(self._loop, name, getattr(self._runtime, name))

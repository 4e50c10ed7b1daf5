"""Where simcord is made live, through names that it keeps to itself: real time in place of its virtual clock,
actions that end when the bot has answered and not when it rests, pages that follow every edit and can move
between channels. All private access is here; `missing_names` says whether this simcord has what it takes."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context, ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import discord
from aiohttp import web
from simcord import ChannelHandle, Env, MemberActor, ResponseMessage, SetupError
from simcord._clock import Clock
from simcord._dpy_internals import real_monotonic
from simcord._runtime import _CallbackRecord
from simcord.backend import Backend
from simcord.backend.access import can_access_channel
from simcord.preview import Preview
from simcord.preview._pages import _Page
from simcord.preview._server import PreviewServer

log = logging.getLogger(__name__)

ANSWER_TIMEOUT = 3.0  # seconds that Discord gives a bot to answer an interaction
GRACE = 0.05  # seconds in which what the bot does next still belongs to the action
PUBLISH_INTERVAL = 0.1  # seconds between two looks for news
TYPING_LASTS = 10.0  # seconds, as on Discord
LOG_LENGTH = 5000  # entries of simcord's logs that are kept
# What a person does that may open a thread; the page's own requests (its size, autocompletion) do not count.
DEEDS = frozenset({"run_command", "send_message", "click", "select", "modal_submit"})
STATIC = Path(__file__).with_name("static")
HEAD = '<link rel="stylesheet" href="/live.css"></head>'
SCRIPT = '<script type="module" src="/live.js"></script></body>'
OWN_READS = "/live/"

# What is overridden or called below, with the parameters that it must know.
_PRIVATE: tuple[tuple[type, str, tuple[str, ...]], ...] = (
    (Env, "_settle_internal", ("timeout", "idle", "dispatch", "_deadline")),
    (Env, "_schedule_timer", ("record", "callback", "args", "schedule_context")),
    (Env, "_bot_scope", ()),
    (Backend, "emit", ("event", "payload")),
    (Preview, "_action", ("context_id", "body")),
    (Preview, "_open_page", ("viewer_id", "target_id")),
    (Preview, "_get_page", ("context_id",)),
    (Preview, "_publish", ("page", "reason")),
    (Preview, "_clear_page_assets", ("page",)),
    (Preview, "_reset_queries", ("page",)),
    (Preview, "_advance_presentation_time", ()),
    (PreviewServer, "_index", ("request",)),
    (PreviewServer, "_static", ("request",)),
    (PreviewServer, "_authorized", ("request", "context")),
)
_PAGE_FIELDS = ("channel_id", "target_id", "window_end_id", "generation", "revision", "modal", "modal_handle")

_page_channel: ContextVar[int | None] = ContextVar("fanfabler_page_channel", default=None)


def missing_names() -> list[str]:
    """The private places that this simcord lacks or has in another shape; empty where the live page works."""
    missing = []
    for owner, name, parameters in _PRIVATE:
        found = getattr(owner, name, None)
        if not callable(found) or not set(parameters) <= set(inspect.signature(found).parameters):
            missing.append(f"{owner.__name__}.{name}")
    return missing + [f"_Page.{name}" for name in _PAGE_FIELDS if name not in _Page.__dataclass_fields__]


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


OwnAction = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
OwnRead = Callable[[str], dict[str, Any]]


class LivePreview(Preview):
    """simcord's page, following the bot by itself, and able to move between the channels of the server.

    `own_actions` adds kinds to the page's actions, `own_reads` paths under /live/; each gets the page's id.
    """

    env: LiveEnv

    def __init__(
        self, env: LiveEnv, channel: ChannelHandle, viewers: Sequence[MemberActor], *, secret: str, port: int,
        locale: str, timezone: str, assets: Mapping[str, tuple[str, bytes]],
    ) -> None:  # fmt: skip
        super().__init__(
            env, channel, tuple(viewers), layout="channel", display="responsive", width=960, height=720,
            locale=locale, timezone=timezone, presentation_time=None, assets=assets, port=port,
        )  # fmt: skip
        self.capability = secret
        self.own_actions: dict[str, OwnAction] = {}
        self.own_reads: dict[str, OwnRead] = {}
        self._server = LiveServer(self, port)
        self._turn = asyncio.Lock()
        self._acted: dict[str, float] = {}

    # simcord shows one channel a session. Here it is the channel of the page that acts.
    @property
    def channel(self) -> ChannelHandle:
        return self._handle(_page_channel.get() or self._home.id)

    @channel.setter
    def channel(self, value: ChannelHandle) -> None:
        self._home = value

    def _handle(self, channel_id: int) -> ChannelHandle:
        return ChannelHandle(self.env, self._home.guild, self.env.backend.get_channel(channel_id))

    async def keep_pages_live(self) -> None:
        """Show every page what is new, until cancelled."""
        seen = -1
        while True:
            await asyncio.sleep(PUBLISH_INTERVAL)
            if self.env.backend.changes == seen:
                continue
            seen = self.env.backend.changes
            self._advance_presentation_time()
            for page in [page for page in self._pages.values() if page is not self._python]:
                try:
                    self._publish(page, reason="refresh")
                except Exception:
                    log.exception("The preview's page could not be brought up to date")

    def _open_page(self, viewer_id: Any = None, target_id: Any = None) -> _Page:
        page = super()._open_page(viewer_id, target_id)
        page.target_id = page.window_end_id = None  # the newest messages
        self._publish(page, reason="initial")
        return page

    async def _action(self, context_id: str | None, body: Mapping[str, Any]) -> dict[str, Any]:
        kind = body.get("kind") if isinstance(body, Mapping) else None
        own = self.own_actions.get(str(kind))
        # One at a time: simcord turns away what comes while it is busy.
        async with self._turn:
            page = self._get_page(context_id)
            if own is not None:
                return await own(page.id, body)
            if kind in DEEDS:
                self._acted[page.id] = time.time()
            token = _page_channel.set(page.channel_id)
            try:
                return await super()._action(context_id, self._brought_up_to_date(page, body))
            finally:
                _page_channel.reset(token)

    @staticmethod
    def _brought_up_to_date(page: _Page, body: Mapping[str, Any]) -> Mapping[str, Any]:
        # While an answer streams the browser is always a little behind, and simcord would refuse its clicks.
        # What was clicked is looked up in the newest state in any case.
        revision = body.get("published_revision") if isinstance(body, Mapping) else None
        if isinstance(revision, int) and 0 < revision < page.revision:
            return {**body, "published_revision": page.revision}
        return body

    def move(self, page_id: str, channel_id: int) -> None:
        """Show another channel or thread on a page; `SetupError` where its viewer may not read it."""
        page = self._get_page(page_id)
        if not can_access_channel(self.env, channel_id, page.viewer, history=True):
            raise SetupError("this channel cannot be read by the viewer")
        self._acted.pop(page.id, None)
        if page.channel_id == channel_id:
            return
        self._clear_page_assets(page)
        self._reset_queries(page)
        page.channel_id = channel_id
        page.generation += 1
        page.status = "current"
        page.modal = page.modal_handle = page.target_id = page.window_end_id = None
        self._publish(page, reason="navigation")

    async def run_message_command(self, page_id: str, name: str, message_id: int) -> None:
        """Use a command of a message's menu, which simcord's page does not offer."""
        page = self._get_page(page_id)
        message = ResponseMessage(self.env, self.env.backend.get_message(page.channel_id, message_id))
        self._acted[page.id] = time.time()
        result = await page.viewer.context_menu(self._handle(page.channel_id), name, message)
        if result.modal is not None:
            page.modal, page.modal_handle = result, "m_" + secrets.token_urlsafe(12)
        self._publish(page, reason="action")

    def state_of(self, page_id: str) -> tuple[MemberActor, int, float]:
        """Who looks at a page, the channel it shows, and when something was last done there (Unix time);
        `SetupError` for a page that is no more."""
        page = self._get_page(page_id)
        return page.viewer, page.channel_id, self._acted.get(page.id, 0.0)


class LiveServer(PreviewServer):
    """simcord's server, its page extended by `static/live.js` and `static/live.css`."""

    _OWN_FILES: ClassVar[dict[str, str]] = {"/live.js": "text/javascript", "/live.css": "text/css"}
    # simcord registers a GET route for each of these.
    _STATIC_FILES: ClassVar[dict[str, str]] = {
        **PreviewServer._STATIC_FILES, **dict.fromkeys(_OWN_FILES, ""), OWN_READS + "{name}": "",
    }  # fmt: skip

    preview: LivePreview

    async def _index(self, request: web.Request) -> web.Response:
        response: web.Response = await super()._index(request)
        text = (response.text or "").replace("</head>", HEAD, 1).replace("</body>", SCRIPT, 1)
        response.text = text.replace("<title>SimCord Preview</title>", "<title>FanFabler preview</title>")
        return response

    async def _static(self, request: web.Request) -> web.Response:
        if request.path.startswith(OWN_READS):
            return self._read(request)
        kind = self._OWN_FILES.get(request.path)
        if kind is None:
            response: web.Response = await super()._static(request)
            return response
        text = (STATIC / request.path.removeprefix("/")).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=kind, headers=self._SECURITY_HEADERS)

    def _read(self, request: web.Request) -> web.Response:
        page_id = request.headers.get("X-Simcord-Context", "")
        if not self._authorized(request, context=page_id):
            raise web.HTTPUnauthorized
        answer = self.preview.own_reads.get(request.match_info["name"])
        if answer is None:
            raise web.HTTPNotFound
        try:
            return web.json_response(answer(page_id), headers=self._SECURITY_HEADERS)
        except SetupError:  # the page's lease has run out, or it belongs to an earlier process
            raise web.HTTPGone from None

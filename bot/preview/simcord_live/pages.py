"""simcord's page and its server, following the bot and moving between the channels of the server."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ClassVar

from aiohttp import web
from simcord import ChannelHandle, MemberActor, ResponseMessage, SetupError
from simcord.backend.access import can_access_channel
from simcord.preview import Preview
from simcord.preview._pages import _Page
from simcord.preview._server import PreviewServer

from bot.preview.simcord_live.environment import LiveEnv
from bot.preview.simcord_live.projection import speed_up

log = logging.getLogger(__name__)

PUBLISH_INTERVAL = 0.1  # seconds between two looks for news
# What a person does that may open a thread; the page's own requests (its size, autocompletion) do not count.
DEEDS = frozenset({"run_command", "send_message", "click", "select", "modal_submit"})
STATIC = Path(__file__).parents[1] / "static"
HEAD = '<link rel="stylesheet" href="/live.css"></head>'
SCRIPT = '<script type="module" src="/live.js"></script></body>'
OWN_READS = "/live/"

_page_channel: ContextVar[int | None] = ContextVar("fanfabler_page_channel", default=None)

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
        speed_up(lambda preview: isinstance(preview, LivePreview))
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
        seen, took = -1, 0.0
        while True:
            # Never more than a quarter of the event loop's time, however long the channel is.
            await asyncio.sleep(max(PUBLISH_INTERVAL, 3 * took))
            if self.env.backend.changes == seen:
                continue
            seen, began = self.env.backend.changes, time.monotonic()
            self._advance_presentation_time()
            for page in [page for page in self._pages.values() if page is not self._python]:
                try:
                    self._publish(page, reason="refresh")
                except Exception:
                    log.exception("The preview's page could not be brought up to date")
            took = time.monotonic() - began

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

"""The server itself: everything put together behind one port.

REST under `/api/v10`, the gateway at `/gateway`, attachments under `/attachments`, and the control API
under `/control` (see `control.operations`).
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from aiohttp import web

from .actions.services import Services, build_services
from .clock import Clock
from .control.http_control import ControlEndpoint
from .control.operations import Operations
from .errors import ApiError
from .gateway.endpoint import GatewayEndpoint
from .gateway.handshake import Handshake
from .gateway.intents import PRIVILEGED
from .gateway.sessions import Hub
from .gateway.settings import GatewaySettings
from .rest.application_routes import ApplicationRoutes
from .rest.calls import Endpoint
from .rest.channel_routes import ChannelRoutes
from .rest.faults import Faults
from .rest.guild_routes import GuildRoutes
from .rest.interaction_routes import InteractionRoutes
from .rest.journal import Journal
from .rest.limits import Limits
from .rest.message_routes import MessageRoutes
from .rest.pipeline import Pipeline
from .rules.message_form import REQUEST_LIMIT
from .state.world import World


class ServerCore:
    """Call `start` in the loop that is to serve it, and `stop` at the end.

    With a `state_file` the state is read from it if it is there, and written to it before the answer to
    every request that may have changed something: what the bot has been told survives `kill -9`.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, state_file: Path | None = None) -> None:
        self.host = host
        self.port = port
        self.world = World(Clock())
        self.world.application.intents = PRIVILEGED
        self._state_file = state_file
        if state_file is not None and state_file.exists():
            self.world.load(state_file)
        self.hub = Hub(self.world)
        self.gateway_settings = GatewaySettings()
        self.limits = Limits(self.world.clock)
        self.faults = Faults()
        self.journal = Journal()
        self._runner: web.AppRunner | None = None

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def api_base(self) -> str:
        return f"{self.origin}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://{self.host}:{self.port}/gateway"

    async def start(self) -> None:
        application = web.Application(client_max_size=REQUEST_LIMIT)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        # The port has to be known before the routes are built, and the runner freezes the routes.
        listener = _listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._add_routes(application)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        if self._runner is not None:
            self._gateway.close_all()
            await asyncio.sleep(0)
            await self._runner.cleanup()
            self._runner = None

    async def persist(self) -> None:
        if self._state_file is not None:
            self.world.save(self._state_file)

    def _add_routes(self, application: web.Application) -> None:
        self.services: Services = build_services(self.world, self.origin)
        handshake = Handshake(
            self.world, self.hub, self.gateway_settings, self.gateway_url, self.journal.report
        )
        self.handshake = handshake
        self._gateway = GatewayEndpoint(handshake)
        self.operations = Operations(self)
        endpoints: list[Endpoint] = [
            *ApplicationRoutes(self.services, handshake).endpoints(),
            *GuildRoutes(self.services).endpoints(),
            *MessageRoutes(self.services, self.limits).endpoints(),
            *ChannelRoutes(self.services, self.limits).endpoints(),
            *InteractionRoutes(self.services).endpoints(),
        ]
        pipeline = Pipeline(self.world, endpoints, self.limits, self.faults, self.journal, self.persist)
        router = application.router
        router.add_route("*", "/api/v10/{tail:.*}", pipeline.handle)
        router.add_get("/gateway", self._gateway.handle)
        router.add_get("/gateway/", self._gateway.handle)
        router.add_get("/attachments/{channel_id}/{attachment_id}/{filename}", self._attachment)
        router.add_post("/control/{operation}", ControlEndpoint(self.operations, self.persist).handle)
        router.add_route("*", "/{tail:.*}", self._elsewhere)

    async def _attachment(self, request: web.Request) -> web.Response:
        attachment = self.world.attachment(int(request.match_info["attachment_id"]))
        if attachment is not None:
            kind = attachment.content_type or "application/octet-stream"
            return web.Response(body=attachment.data, headers={"Content-Type": kind})
        return web.Response(status=404)

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.journal.report(f"{request.method} {request.path}")
        return web.json_response(ApiError(501, 0, "501: not implemented by the test server").body, status=501)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.setblocking(False)
    return listener

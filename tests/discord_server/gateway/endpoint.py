"""The WebSocket address: checks its query, then runs a connection until it ends."""

from __future__ import annotations

from aiohttp import web

from .connection import Connection
from .handshake import Handshake

INVALID_API_VERSION = 4012
# How long the client may take to answer a close.
CLOSE_SECONDS = 1.0


class GatewayEndpoint:
    def __init__(self, handshake: Handshake) -> None:
        self._handshake = handshake
        self._connections: set[Connection] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        settings = self._handshake.settings
        if settings.refusals > 0:
            settings.refusals -= 1
            return web.Response(status=503, text="no gateway is available")
        compress = request.query.get("compress")
        encoding = request.query.get("encoding", "json")
        if compress not in (None, "zlib-stream") or encoding != "json":
            self._handshake.report(f"gateway encoding {encoding!r} with compression {compress!r}")
            return web.Response(status=501, text="only json, plain or zlib-stream")
        socket = web.WebSocketResponse(max_msg_size=1 << 20, timeout=CLOSE_SECONDS)
        await socket.prepare(request)
        if request.query.get("v") != "10":
            await socket.close(code=INVALID_API_VERSION)
            return socket
        connection = Connection(self._handshake, request, socket, compress=compress is not None)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
        return socket

    def close_all(self, code: int = 1001) -> None:
        """For the end of the server; sessions are not kept."""
        for connection in list(self._connections):
            connection.close(code)

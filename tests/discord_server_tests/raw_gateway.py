"""A gateway client without a library, which may also do what no library would."""

from __future__ import annotations

import json
import zlib
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from tests.discord_server import DiscordServer

ALL = 0b11_0011_0001_1111_1111_1111_1111


class Socket:
    """A gateway connection; events come out of `next` as parsed payloads."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, token: str, *, compressed: bool) -> None:
        self._socket = socket
        self._token = token
        self._inflator = zlib.decompressobj() if compressed else None
        self.heard: list[Any] = []

    async def next(self, name: str | None = None) -> Any:
        """The next payload, or the next dispatch of this name. Raises ConnectionError with the close code."""
        while True:
            message = await self._socket.receive(timeout=5)
            if message.type is aiohttp.WSMsgType.BINARY:
                assert self._inflator is not None
                assert message.data.endswith(b"\x00\x00\xff\xff")
                payload = json.loads(self._inflator.decompress(message.data))
            elif message.type is aiohttp.WSMsgType.TEXT:
                payload = json.loads(message.data)
            else:
                raise ConnectionError(self._socket.close_code)
            self.heard.append(payload)
            if name is None or payload["t"] == name:
                return payload

    async def send(self, opcode: int, data: Any) -> None:
        await self._socket.send_str(json.dumps({"op": opcode, "d": data}))

    async def send_raw(self, text: str) -> None:
        await self._socket.send_str(text)

    async def identify(self, **changes: Any) -> Any:
        """Identify and return READY."""
        data = {"token": self._token, "intents": ALL, "properties": {}, **changes}
        await self.send(2, data)
        return await self.next("READY")

    async def resume(self, session: str, sequence: int) -> None:
        await self.send(6, {"token": self._token, "session_id": session, "seq": sequence})

    async def close(self, code: int = 4000) -> None:
        await self._socket.close(code=code)

    async def close_code(self) -> int:
        with pytest.raises(ConnectionError) as closed:
            while True:
                await self.next()
        return int(closed.value.args[0])


class Gateway:
    def __init__(self, server: DiscordServer, stack: AsyncExitStack) -> None:
        self._server = server
        self._stack = stack

    async def __call__(self, **query: str) -> Socket:
        """A connection that has had its HELLO."""
        session = await self._stack.enter_async_context(aiohttp.ClientSession())
        parameters = {"v": "10", "encoding": "json", **query}
        opening = session.ws_connect(self._server.gateway_url, params=parameters)
        raw = await self._stack.enter_async_context(opening)
        socket = Socket(raw, self._server.bot_token, compressed="compress" in query)
        hello = await socket.next()
        assert hello["op"] == 10
        return socket

"""One WebSocket connection: handshake, heartbeats, and the payloads of a session."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import deque

from aiohttp import WSMsgType, web

from ..errors import Json
from .handshake import Handshake
from .sessions import Session

HEARTBEAT, IDENTIFY, PRESENCE, VOICE_STATE, RESUME = 1, 2, 3, 4, 6
RECONNECT, REQUEST_MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 7, 8, 9, 10, 11
UNKNOWN_OPCODE, DECODE_ERROR, NOT_AUTHENTICATED = 4001, 4002, 4003
ALREADY_AUTHENTICATED, RATE_LIMITED, UNKNOWN_ERROR = 4005, 4008, 4000
# "If an event payload does exceed 4096 bytes, the connection will be closed"; "120 gateway events per
# connection every 60 seconds" (Using Gateway, "Sending Events" and "Rate Limiting").
PAYLOAD_LIMIT = 4096
SENDS_PER_MINUTE = 120
# A heartbeat may be late by half an interval: "there is already tolerance in the heartbeat_interval".
TOLERANCE = 1.5


class Connection:
    """Runs until either side closes. `push` and `close` may be called at any time and never block."""

    def __init__(
        self,
        handshake: Handshake,
        request: web.Request,
        socket: web.WebSocketResponse,
        *,
        compress: bool,
    ) -> None:
        self._handshake = handshake
        self._request = request
        self._socket = socket
        self._zlib = zlib.compressobj() if compress else None
        self._outgoing: asyncio.Queue[str | int] = asyncio.Queue()
        self._sent_at: deque[float] = deque(maxlen=SENDS_PER_MINUTE)
        self._last_beat = 0.0
        self._closing = False
        self.session: Session | None = None

    def push(self, payload: str) -> None:
        self._outgoing.put_nowait(payload)

    def send(self, opcode: int, data: object = None) -> None:
        self.push(json.dumps({"op": opcode, "d": data, "s": None, "t": None}))

    def close(self, code: int) -> None:
        """Close after what is already waiting to be sent."""
        self._outgoing.put_nowait(code)

    def abort(self) -> None:
        """Cut the line without a closing handshake, as a lost network does."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._last_beat = loop.time()
        self.send(HELLO, {"heartbeat_interval": int(self._handshake.settings.heartbeat_seconds * 1000)})
        writer = loop.create_task(self._write())
        watcher = loop.create_task(self._watch_heartbeat())
        ended = False
        try:
            ended = await self._read()
        finally:
            if self.session is not None:
                self._handshake.hub.unlink(self.session, self, ended=ended)
            watcher.cancel()
            if not self._closing:
                writer.cancel()
            await asyncio.gather(writer, watcher, return_exceptions=True)

    async def _read(self) -> bool:
        """Until the end; returns whether the client ended its session by closing with 1000 or 1001."""
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.TEXT:
                self._receive(message.data)
            elif message.type is WSMsgType.BINARY:
                self.close(DECODE_ERROR)
            elif message.type is WSMsgType.CLOSE:
                return message.data in (1000, 1001)
            else:
                return False

    async def _write(self) -> None:
        while True:
            item = await self._outgoing.get()
            if isinstance(item, int):
                self._closing = True
                await self._socket.close(code=item)
                return
            try:
                if self._zlib is None:
                    await self._socket.send_str(item)
                else:
                    # One shared context per connection; each message ends with the Z_SYNC_FLUSH suffix.
                    data = self._zlib.compress(item.encode()) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
                    await self._socket.send_bytes(data)
            except ConnectionError:
                return

    async def _watch_heartbeat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            allowed = self._handshake.settings.heartbeat_seconds * TOLERANCE
            left = self._last_beat + allowed - loop.time()
            if left <= 0:
                self.close(UNKNOWN_ERROR)
                return
            await asyncio.sleep(left)

    def _receive(self, text: str) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._sent_at) == SENDS_PER_MINUTE and now - self._sent_at[0] < 60:
            self.close(RATE_LIMITED)
            return
        self._sent_at.append(now)
        try:
            payload = json.loads(text)
            opcode, data = payload["op"], payload.get("d")
        except (ValueError, TypeError, KeyError, AttributeError):
            self.close(DECODE_ERROR)
            return
        if len(text.encode()) > PAYLOAD_LIMIT:
            self.close(DECODE_ERROR)
            return
        self._handle(opcode, data)

    def _handle(self, opcode: object, data: object) -> None:
        if opcode == HEARTBEAT:
            self._last_beat = asyncio.get_running_loop().time()
            if self._handshake.settings.acknowledge:
                self.send(HEARTBEAT_ACK)
        elif opcode in (IDENTIFY, RESUME):
            self._begin(opcode == IDENTIFY, data)
        elif self.session is None:
            self.close(NOT_AUTHENTICATED)
        elif opcode == REQUEST_MEMBERS and isinstance(data, dict):
            self._handshake.send_members(self.session, data)
        elif opcode not in (PRESENCE, VOICE_STATE):
            self._handshake.report(f"gateway opcode {opcode}")
            self.close(UNKNOWN_OPCODE)

    def _begin(self, identify: bool, data: object) -> None:
        if self.session is not None:
            self.close(ALREADY_AUTHENTICATED)
            return
        if not isinstance(data, dict):
            self.close(DECODE_ERROR)
            return
        step: Json = data
        outcome = self._handshake.identify(step) if identify else self._handshake.resume(step)
        if isinstance(outcome, int):
            self.close(outcome)
        elif outcome is None:
            self.send(INVALID_SESSION, False)
        else:
            self.session = outcome
            if identify:
                self._handshake.greet(outcome, self)
            else:
                self._handshake.replay(outcome, self, int(step["seq"]))

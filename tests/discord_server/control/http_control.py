"""The control operations over HTTP: `POST /control/{operation}` with the arguments as a JSON object."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from ..errors import ClientRefusedError, DiscordServerError

if TYPE_CHECKING:
    from .operations import Operations


class ControlEndpoint:
    def __init__(self, operations: Operations, persist: Callable[[], Awaitable[None]]) -> None:
        self._operations = operations
        self._persist = persist

    async def handle(self, request: web.Request) -> web.Response:
        """200 with `{"result": …}`, 409 for what a member cannot do, 400 for a wrong call."""
        operation = request.match_info["operation"]
        try:
            result = self._operations.call(operation, **await request.json())
        except ClientRefusedError as error:
            return web.json_response({"error": str(error)}, status=409)
        except (DiscordServerError, TypeError, KeyError, ValueError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)
        if not operation.startswith("look."):
            await self._persist()
        return web.json_response({"result": result})

"""The way of every REST request: record, ban, fault, route, token, rate limit, handler, answer."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from ..errors import UNAUTHORIZED, ApiError, NotServedError
from ..state.world import World
from .bodies import read_body
from .calls import Call, Endpoint, Reply, major_parameters
from .faults import Fault, Faults
from .journal import Journal, Request
from .limits import VIA, Limits


class Pipeline:
    """`persist` is awaited before the answer to anything that may have changed the state."""

    def __init__(
        self,
        world: World,
        endpoints: Sequence[Endpoint],
        limits: Limits,
        faults: Faults,
        journal: Journal,
        persist: Callable[[], Awaitable[None]],
    ) -> None:
        self._world = world
        self._endpoints = endpoints
        self._limits = limits
        self._faults = faults
        self._journal = journal
        self._persist = persist

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = "/" + request.match_info["tail"]
        record = self._journal.begin(self._world.clock.now(), request.method, path)
        fault = self._faults.take(request.method, path)
        record.fault = fault is not None
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault is not None and fault.cut:
            return _cut(request)
        reply = await self._reply(request, record, fault)
        record.ended = self._world.clock.now()
        if fault is not None and fault.lose_answer:
            return _cut(request)
        record.status, record.response = reply.status, reply.body
        self._limits.count_invalid(reply.status, shared=reply.headers.get("X-RateLimit-Scope") == "shared")
        via = {} if fault is not None and not fault.via else {"Via": VIA}
        return _response(reply, {**via, **reply.headers})

    async def _reply(self, request: web.Request, record: Request, fault: Fault | None) -> Reply:
        banned = self._limits.banned_for()
        if banned:
            # The front door turns the address away with a plain page, without the headers of the API.
            return Reply("error code: 1015", 429, {"Retry-After": str(int(banned) + 1), "Via": ""})
        headers: dict[str, str] = {}
        try:
            if fault is not None:
                fault.strike()
            endpoint, parameters = self._find(request.method, record.path)
            record.route = endpoint.name
            call = await self._call(request, record, endpoint, parameters)
            headers = self._limits.enter(
                endpoint.bucket, major_parameters(parameters), counts_globally=endpoint.needs_token
            )
            reply = endpoint.handler(call)
            if request.method != "GET":
                await self._persist()
            return Reply(reply.body, reply.status, {**headers, **reply.headers})
        except ApiError as error:
            record.retry_after = error.body.get("retry_after")
            return Reply(error.body, error.status, {**headers, **error.headers})
        except NotServedError as error:
            self._journal.report(str(error))
            body = {"message": f"501: {error} is not implemented by the test server", "code": 0}
            return Reply(body, 501)
        except Exception:
            # The server's own mistakes must end up in the test's output.
            self._journal.report(f"{record.method} {record.path} failed:\n{traceback.format_exc()}")
            return Reply({"message": "500: Internal Server Error", "code": 0}, 500)

    def _find(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
        for endpoint in self._endpoints:
            parameters = endpoint.match(method, path)
            if parameters is not None:
                return endpoint, parameters
        raise NotServedError(f"{method} {path}")

    async def _call(
        self, request: web.Request, record: Request, endpoint: Endpoint, parameters: dict[str, str]
    ) -> Call:
        user_id = 0
        if endpoint.needs_token:
            if request.headers.get("Authorization") != f"Bot {self._world.application.token}":
                raise UNAUTHORIZED.error()
            user_id = self._world.bot.id
        body, files = await read_body(request)
        query = dict(request.query)
        record.query, record.body = query, body
        record.files = [file.filename for file in files]
        return Call(request.method, record.path, parameters, query, body, files, user_id)


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _response(reply: Reply, headers: dict[str, str]) -> web.Response:
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    if isinstance(reply.body, str):
        return web.Response(status=reply.status, headers=headers, text=reply.body)
    # Exactly `application/json`, without a charset, which some clients compare it with.
    data = json.dumps(reply.body, ensure_ascii=False).encode()
    headers = {**headers, "Content-Type": "application/json"}
    return web.Response(status=reply.status, headers=headers, body=data)

"""One line in the log for each request, with its id; and the one place where exceptions become answers.

Nothing that people wrote or that was written for them is ever logged.
"""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from model.engine.errors import EngineError
from model.server.errors import ApiError, as_api_error
from model.server.metrics import HttpMetrics

log = logging.getLogger("model.server")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
METRICS: web.AppKey[HttpMetrics] = web.AppKey("metrics", HttpMetrics)
CLIENT_LEFT = 499
"""The status noted where the client left before its answer; nginx's number for it."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/@+=~-]{1,128}")
_LONGEST_ERROR = 300
_QUIET = frozenset({"/health", "/metrics"})


@dataclass(slots=True)
class RequestLog:
    """What is noted of one request while it runs."""

    id: str
    """The client's `X-Request-Id` where it is a fit one, else one of ours."""
    details: dict[str, object] = field(default_factory=dict)
    error: str | None = None
    error_code: str | None = None

    def fields(self, request: web.Request, status: int, seconds: float) -> dict[str, object]:
        """All that is logged of a request."""
        fields: dict[str, object] = {
            "id": self.id,
            "method": request.method,
            "path": request.rel_url.raw_path[:_LONGEST_ERROR],
            "status": status,
            "ms": round(seconds * 1000),
            **self.details,
        }
        if self.error is not None:
            fields |= {"code": self.error_code, "error": self.error}
        return fields


NOTES: web.RequestKey[RequestLog] = web.RequestKey("notes", RequestLog)


@web.middleware
async def log_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, turn exceptions into answers, count it, and write its line."""
    given = request.headers.get("X-Request-Id", "")
    notes = request[NOTES] = RequestLog(given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex)
    began = time.monotonic()
    status = CLIENT_LEFT
    try:
        response = await _answer(request, handler, notes)
        status = response.status
        return response
    finally:
        request.app[METRICS].count_request(_route(request), request.method, status)
        _write(request, notes.fields(request, status, time.monotonic() - began))


def note_failure(request: web.Request, error: Exception) -> ApiError:
    """What the client is to be told of a failure, noted in the log and counted."""
    failure, notes = as_api_error(error), request[NOTES]
    if failure.status == 500 and not isinstance(error, EngineError):
        log.error("request %s failed", notes.id, exc_info=error)
    notes.error, notes.error_code = str(failure)[:_LONGEST_ERROR], failure.code
    request.app[METRICS].count_error(failure.code)
    return failure


def _write(request: web.Request, fields: dict[str, Any]) -> None:
    level = logging.DEBUG if request.path in _QUIET else logging.INFO
    if log.isEnabledFor(level):
        words = [f"{name}={_word(value)}" for name, value in fields.items() if name not in {"method", "path"}]
        log.log(
            level, "%s %s %s", fields["method"], fields["path"], " ".join(words), extra={"fields": fields}
        )


def _word(value: object) -> str:
    text = str(value)
    return text if re.fullmatch(r"[\w.:/@+=~-]+", text) else json.dumps(text, ensure_ascii=False)


def _route(request: web.Request) -> str:
    """The pattern of the route, so that no client can make up new ones."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


async def _answer(request: web.Request, handler: Handler, notes: RequestLog) -> web.StreamResponse:
    try:
        response = await handler(request)
    except ConnectionResetError:
        raise
    except Exception as error:
        response = note_failure(request, error).response(notes.id)
    if not response.prepared:
        response.headers["X-Request-Id"] = notes.id
    return response

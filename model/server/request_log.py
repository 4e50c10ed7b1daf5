"""One line in the log for each request, with its id; and the one place where exceptions become answers."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from model.server.errors import as_api_error

log = logging.getLogger("model.server")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


@dataclass(slots=True)
class RequestLog:
    """What is noted of one request while it runs."""

    id: str
    """The client's `X-Request-ID` where it is a fit one, else one of ours."""
    details: Mapping[str, object] = field(default_factory=dict)
    error: str | None = None

    def line(self) -> str:
        """The notes as `key=value`."""
        words = [f"{key}={value}" for key, value in self.details.items()]
        if self.error is not None:
            words.append(f"error={json.dumps(self.error, ensure_ascii=False)}")
        return " ".join(words)


NOTES: web.RequestKey[RequestLog] = web.RequestKey("notes", RequestLog)


@web.middleware
async def log_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, turn exceptions into answers, and write its line."""
    given = request.headers.get("X-Request-ID", "")
    notes = request[NOTES] = RequestLog(given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex)
    began = time.monotonic()
    status: int | str = "gone"
    try:
        response = await _answer(request, handler, notes)
        status = response.status
        return response
    finally:
        log.log(
            logging.DEBUG if request.path == "/health" else logging.INFO,
            "%s %s id=%s status=%s ms=%d %s",
            request.method,
            request.path,
            notes.id,
            status,
            (time.monotonic() - began) * 1000,
            notes.line(),
        )


async def _answer(request: web.Request, handler: Handler, notes: RequestLog) -> web.StreamResponse:
    try:
        response = await handler(request)
    except ConnectionResetError:
        raise
    except Exception as error:
        failure = as_api_error(error)
        if failure.status == 500:
            log.exception("request %s failed", notes.id)
        notes.error = str(failure)
        response = failure.response()
    if not response.prepared:
        response.headers["X-Request-ID"] = notes.id
    return response

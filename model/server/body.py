"""Reading a request's body: JSON, within a time, checked field by field."""

from __future__ import annotations

import asyncio
import json
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel

from model.server.errors import ApiError

BODY_SECONDS = 30.0
"""How long a client may take to send its request's body."""

Body = TypeVar("Body", bound=BaseModel)


def refuse_packed(request: web.Request) -> None:
    """Packed bodies are not taken: a few kilobytes of one can be gigabytes. Raises `ApiError`."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ApiError(
            415, "Send the body as it is, without Content-Encoding.", code="unsupported_media_type"
        )


async def read_body(request: web.Request, kind: type[Body]) -> Body:
    """The body as this kind of request. Raises `ApiError` and pydantic's `ValidationError`."""
    refuse_packed(request)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
    except TimeoutError:
        raise ApiError(
            408, f"The body did not arrive within {BODY_SECONDS:g} seconds.", code="request_timeout"
        ) from None
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not valid JSON.", code="invalid_json") from None
    if not isinstance(fields, dict):
        raise ApiError(400, "The body is not a JSON object.", code="invalid_json")
    return kind.model_validate(fields)

"""Who may call what: bearer tokens, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from typing import Any

from aiohttp import web

from model.server.errors import ApiError
from model.server.request_log import Handler


def bearer_matches(authorization: str, token: str) -> bool:
    """Whether an `Authorization` header carries this token. The time taken tells nothing of the token."""
    scheme, _, given = authorization.partition(" ")
    digests = [
        hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given.strip(), token)
    ]
    return hmac.compare_digest(*digests) and scheme.lower() == "bearer"


def require_token(token: str | None, open_paths: Collection[str]) -> Any:
    """A middleware that answers 401 where the token is missing or wrong, but for these paths; without a token, 403 to
    web pages that would have something done."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if token is not None and request.path not in open_paths:
            given = request.headers.get("Authorization", "")
            if not bearer_matches(given, token):
                raise ApiError(401, "A valid bearer token is needed.", code="invalid_api_key")
        if token is None and request.method not in {"GET", "HEAD"} and "Origin" in request.headers:
            # Any web page could have a browser on this machine send it.
            raise ApiError(403, "Web pages may not do this without a token.", code="origin_refused")
        return await handler(request)

    return check

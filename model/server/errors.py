"""Failures as OpenAI words them: `{"error": {"message", "type", "param", "code"}}` and a status.

The one place that decides which status an exception of the worker has.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from aiohttp import web
from pydantic import ValidationError

from model.engine.errors import EngineFailed, QueueFull, RequestRefused
from model.errors import ModelError, PromptError


class ApiError(Exception):
    """A request that is answered with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """`retry_after`: seconds, sent as the header of that name."""
        super().__init__(message)
        self.status = status
        self.code = code
        self._error = {"message": message, "type": kind, "param": param, "code": code}
        self.headers = {} if retry_after is None else {"Retry-After": str(max(1, math.ceil(retry_after)))}

    @property
    def outcome(self) -> Literal["handed_back", "failed"]:
        """How an answer that ends with this has ended."""
        return "handed_back" if self.code in {"worker_stopping", "worker_sleeping"} else "failed"

    def body(self, request_id: str) -> dict[str, Any]:
        """The error as OpenAI has it, with the id under which the log has the request."""
        return {"error": {**self._error, "request_id": request_id}}

    def response(self, request_id: str) -> web.Response:
        """The error as an answer."""
        return web.json_response(self.body(request_id), status=self.status, headers=self.headers)


def unavailable(message: str, *, code: str, retry_after: float) -> ApiError:
    return ApiError(503, message, kind="server_error", code=code, retry_after=retry_after)


def as_api_error(error: Exception) -> ApiError:  # noqa: PLR0911
    """What the client is told of this exception. Anything unforeseen is a 500 without details."""
    match error:
        case ApiError():
            return error
        case ValidationError():
            return _invalid(error)
        case QueueFull():
            return unavailable(str(error), code="queue_full", retry_after=error.retry_after)
        case EngineFailed():
            return unavailable(f"The engine has failed: {error}", code="engine_failed", retry_after=10)
        case RequestRefused():
            return ApiError(400, str(error), param=error.field, code="unsupported_value")
        case PromptError():
            return ApiError(400, str(error), param="messages", code="invalid_value")
        case ModelError():
            return ApiError(500, str(error), kind="server_error", code="generation_failed")
        case web.HTTPRequestEntityTooLarge():
            return ApiError(413, error.text or "The request body is too large.", code="request_too_large")
        case web.HTTPException():
            return ApiError(error.status, error.reason, code=error.reason.lower().replace(" ", "_"))
        case _:
            return ApiError(
                500,
                "The server failed on this request; its log has more under the request's id.",
                kind="server_error",
                code="internal_error",
            )


def _invalid(error: ValidationError) -> ApiError:
    fault: Any = error.errors(include_url=False, include_input=False)[0]
    if (field := fault.get("ctx", {}).get("field")) is not None:
        return ApiError(400, str(fault["msg"]), param=field, code=str(fault["type"]))
    # The type of a union's member ("str", "list[…]") is part of the location, but no field of the request.
    path = [str(part) for part in fault["loc"] if isinstance(part, int) or str(part).isidentifier()]
    path = [part for part in path if part not in {"str", "list", "int", "float"}]
    message = str(fault["msg"]).removeprefix("Value error, ").replace("a valid tuple", "a valid array")
    return ApiError(
        400,
        f"{'.'.join(path)}: {message}" if path else message,
        param=".".join(path) or None,
        code="invalid_value",
    )

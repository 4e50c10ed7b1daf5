"""The record of every request, and of what the server could not serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import Json


@dataclass
class Request:
    """A request with its answer; `time` and `ended` in seconds of the server's clock.

    `route` is the template that matched, e.g. `PATCH /channels/{channel_id}/messages/{message_id}`; `path`
    is without `/api/v10`. `status` is 0 while it runs and where the connection was cut.
    """

    index: int
    time: float
    method: str
    path: str
    route: str | None = None
    query: dict[str, str] | None = None
    body: Any = None
    files: list[str] | None = None
    status: int = 0
    response: Any = None
    retry_after: float | None = None
    ended: float | None = None
    fault: bool = False

    def payload(self) -> Json:
        return dict(vars(self))


class Journal:
    """`unexpected` lists unknown routes and failures of the server itself, in words."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.unexpected: list[str] = []

    def begin(self, time: float, method: str, path: str) -> Request:
        request = Request(len(self.requests), time, method, path)
        self.requests.append(request)
        return request

    def report(self, what: str) -> None:
        self.unexpected.append(what)

"""What all handles have in common: an id, a way to the server, and waiting until something is so."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ..errors import Json
from .links import Link

Found = TypeVar("Found")
DEFAULT_TIMEOUT = 10.0


class Handle:
    """Something on the server. Attributes are read anew at each access, so a handle never goes stale.

    Handles of one `kind` and id are equal: a member and the same person as a user.
    """

    kind = ""

    def __init__(self, link: Link, id: int) -> None:  # noqa: A002
        self._link = link
        self.id = id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and (other.kind, other.id) == (self.kind, self.id)

    def __hash__(self) -> int:
        return hash((self.kind, self.id))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


@dataclass(frozen=True)
class File:
    """A file to be sent with a message or given to a command."""

    filename: str
    data: bytes
    content_type: str = "text/plain"

    def payload(self) -> Json:
        data = base64.b64encode(self.data).decode()
        return {"filename": self.filename, "content_type": self.content_type, "data": data}


async def wait_until(
    link: Link,
    condition: Callable[[], Found],
    timeout: float,  # noqa: ASYNC109
    what: str,
) -> Found:
    """The condition's value as soon as it is true. Raises TimeoutError.

    A condition that looks up what is not there yet (IndexError, KeyError) counts as false.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    while True:
        try:
            found = condition()
        except LookupError:
            pass
        else:
            if found:
                return found
        if loop.time() >= end:
            raise TimeoutError(f"waited {timeout} s for {what}; last requests:\n{recent_requests(link)}")
        await asyncio.sleep(link.poll_seconds)


def recent_requests(link: Link, count: int = 15) -> str:
    """The newest requests, a line each, and what the server could not serve: for error messages."""
    lines = [
        f"  {r['method']} {r['path']} -> {r['status']} {str(r['body'])[:160]}"
        for r in link.call("server.requests", since=0)[-count:]
    ]
    return "\n".join([*lines, *(f"  NOT SERVED: {what}" for what in link.call("server.unexpected"))])


def plain(value: Any) -> Any:
    """A value as the control API takes it: handles become their ids, files their contents."""
    if isinstance(value, Handle):
        return value.id
    return value.payload() if isinstance(value, File) else value

"""How handles reach the server: in the same process, or another one over HTTP."""

from __future__ import annotations

import http.client
import json
from typing import Any, Protocol

from ..errors import ClientRefusedError, DiscordServerError
from .operations import Operations


class Link(Protocol):
    """Carries out one control operation; see `Operations.call` for errors.

    `poll_seconds` is how often it is worth looking whether something has happened.
    """

    poll_seconds: float

    def call(self, operation: str, **arguments: Any) -> Any: ...


class LocalLink:
    poll_seconds = 0.002

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def call(self, operation: str, **arguments: Any) -> Any:
        return self._operations.call(operation, **arguments)


class RemoteLink:
    """To a server in another process. Calls block, for about a millisecond each, so that they read as plain
    attribute access in a test; that is safe because the other process does not wait for this one.
    """

    poll_seconds = 0.02

    def __init__(self, host: str, port: int, timeout: float = 10.0) -> None:
        self._host = host
        self._port = port
        self._timeout = timeout

    def call(self, operation: str, **arguments: Any) -> Any:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        try:
            connection.request("POST", f"/control/{operation}", json.dumps(arguments))
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status == 200:
            return answer["result"]
        raise (ClientRefusedError if response.status == 409 else DiscordServerError)(answer["error"])

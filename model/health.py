"""`python -m model health`: asks a server how it is, for health checks of containers and for people."""

from __future__ import annotations

import json
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

_PATIENCE = 5.0


def health(url: str) -> tuple[bool, str]:
    """Whether the worker or trainer at this address is as it should be, and how that is said. A worker that sleeps
    does what it was told; one that loads is not there yet."""
    address = url.rstrip("/").removesuffix("/v1") + "/health"
    if not address.startswith(("http://", "https://")):
        return False, f"{url} is no address of a server: it begins with http://"
    try:
        with urlopen(address, timeout=_PATIENCE) as response:  # noqa: S310 -- looked at above
            told = _read(response.read())
    except URLError as error:
        answer = getattr(error, "read", None)
        if answer is None:
            return False, f"{address} does not answer: {error.reason}"
        told = _read(answer())
        if told.get("status") != "sleeping":
            reason = told.get("reason") or f"it answers {getattr(error, 'code', 'something else')}"
            return False, f"{address}: {told.get('status', 'not ready')}: {reason}"
    except (OSError, ValueError) as error:
        return False, f"{address} does not answer: {error}"
    return True, f"{address}: {told.get('status', 'ready')}"


def _read(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}

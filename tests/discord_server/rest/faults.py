"""Faults that a test orders for coming requests: error answers, delays, cut connections."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ApiError
from .calls import route_pattern
from .limits import too_many


@dataclass
class Fault:
    """What goes wrong for `times` requests to `route`, after `skip` of them went well.

    `status` answers in place of the route; with 429 as Discord would, `retry_after` and `scope` given.
    `delay` seconds are waited first. `cut` breaks the connection before anything is done, `lose_answer`
    after the request was carried out. Alone, `delay` only slows the request down.
    """

    route: str
    status: int | None = None
    delay: float = 0.0
    cut: bool = False
    lose_answer: bool = False
    times: int = 1
    skip: int = 0
    retry_after: float = 0.1
    scope: str = "user"
    via: bool = True
    hits: int = 0

    def __post_init__(self) -> None:
        self._pattern = route_pattern(self.route)

    def fits(self, method: str, path: str) -> bool:
        return self._pattern.fullmatch(f"{method} {path}") is not None

    def strike(self) -> None:
        """Raises the ApiError that answers in place of the route, where there is to be one."""
        if self.status == 429:
            raise too_many(self.retry_after, scope=self.scope)
        if self.status is not None:
            raise ApiError(self.status, 0, f"{self.status}: ordered by the test")


class Faults:
    """Ordered faults, the oldest first; one request meets one of them at most."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []

    def take(self, method: str, path: str) -> Fault | None:
        for fault in self.waiting:
            if not fault.fits(method, path):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.hits += 1
            fault.times -= 1
            if fault.times <= 0:
                self.waiting.remove(fault)
            return fault
        return None

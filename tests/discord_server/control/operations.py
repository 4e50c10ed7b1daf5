"""Every control operation by name, e.g. `members.send`: called in the process, or over HTTP as JSON.

Arguments and results are plain JSON values; ids are numbers. The handles in `control` are made of these.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import ApiError, ClientRefusedError, DiscordServerError
from .interaction_operations import InteractionOperations
from .look_operations import LookOperations
from .member_operations import MemberOperations
from .server_operations import ServerOperations
from .world_operations import WorldOperations

if TYPE_CHECKING:
    from ..core import ServerCore


class Operations:
    def __init__(self, core: ServerCore) -> None:
        groups: dict[str, object] = {
            "world": WorldOperations(core.services),
            "look": LookOperations(core.services),
            "members": MemberOperations(core.services),
            "interactions": InteractionOperations(core.services),
            "server": ServerOperations(core),
        }
        self._by_name: dict[str, Callable[..., Any]] = {}
        for group, holder in groups.items():
            for name, method in inspect.getmembers(holder, inspect.ismethod):
                if not name.startswith("_"):
                    self._by_name[f"{group}.{name}"] = method

    def call(self, operation: str, **arguments: Any) -> Any:
        """Raises ClientRefusedError for what Discord would not let the member do, and DiscordServerError."""
        method = self._by_name.get(operation)
        if method is None:
            raise DiscordServerError(f"there is no control operation {operation!r}")
        try:
            return method(**arguments)
        except ApiError as error:
            raise ClientRefusedError(f"{operation}: {error}") from error

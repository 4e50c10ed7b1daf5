"""The seam between the server and whatever makes models: those to begin with, and adapters while it runs.

Everything here may take long and is called in a thread of its own, one call at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from model.server.worker import ServedModel


class ModelSource(Protocol):
    """One base model, and what can be served with it. The engines that it makes have not been started."""

    @property
    def base_name(self) -> str:
        """What the bare base is called."""

    @property
    def at_once(self) -> int:
        """How many engines there is memory for, those included that only end their last answers."""

    @property
    def most_adapters(self) -> int:
        """How many adapters may be served at once."""

    def first(self) -> list[ServedModel]:
        """The models to begin with, the default one first."""

    def adapter(self, name: str, path: str) -> ServedModel:
        """The base with an adapter. Raises `AdapterRefused` with the reason; nothing has changed then."""

    def put_away(self, models: Sequence[ServedModel]) -> None:
        """Remember these models, so that they can be made anew. Their engines are idle still, and then closed."""

    def let_go(self, level: int) -> None:
        """Free the memory that no engine needs. At level 1 the weights stay in the CPU's memory, at level 2 they are
        dropped; a deeper level stays until all is back."""

    def bring_back(self) -> list[ServedModel]:
        """What was put away, as it was, with new engines. Where that fails, `let_go` frees what there is of it."""

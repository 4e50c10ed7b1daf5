"""What stands against an operator's wish."""

from __future__ import annotations

from collections.abc import Sequence

from bot.errors import BotError
from bot.operation.gate import Fault


class OperationRefused(BotError):
    """It cannot be done as it was asked for."""


class UnknownAdapter(OperationRefused):
    """Neither the trainer nor the worker knows this model."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no model {name!r}")
        self.name = name


class WorseThanInUse(OperationRefused):
    """The adapter is worse than the one in use, and force was not asked for."""

    def __init__(self, faults: Sequence[Fault], in_use: str) -> None:
        super().__init__()
        self.faults = tuple(faults)
        self.in_use = in_use


class NothingToRollBack(OperationRefused):
    """No model has been chosen here, so there is nothing to go back from."""


class CannotLoad(OperationRefused):
    """The worker does not take the adapter; `reason` is its own."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} could not be loaded: {reason}")
        self.name = name
        self.reason = reason


class RecipeUnavailable(OperationRefused):
    """The trainer does not offer the recipe, or its machine cannot run it; `reason` is its own."""

    def __init__(self, recipe: str, reason: str | None) -> None:
        super().__init__(f"{recipe}: {reason}")
        self.recipe = recipe
        self.reason = reason


class NothingToMove(OperationRefused):
    """Rated answers move an adapter, and the trainer has none of this name. `named`: it was asked for; otherwise it is
    what is in use (None where that cannot be told)."""

    def __init__(self, name: str | None, *, named: bool) -> None:
        super().__init__(f"there is no adapter {name!r} that rated answers could move")
        self.name = name
        self.named = named


class BeginsWithoutRated(OperationRefused):
    """An adapter to begin with was named without rated answers, which alone move one."""


class NoSuchRun(OperationRefused):
    """There is no training run with this number."""


class RunIsOver(OperationRefused):
    """The run is over, or was never begun."""


class ForgettingDue(OperationRefused):
    """A member's rows have still to be removed at the trainer, and it cannot be reached for that."""


class NothingToUpload(OperationRefused):
    """No rated chat may become training data."""

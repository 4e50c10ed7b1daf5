"""What can go wrong while the dataset is generated, as a branch of the package's tree.

TrainingError
└── GenerationError
    ├── CannotGenerate          the run cannot begin: say why, exit 2
    │   └── JournalDamaged
    ├── ChatFailed              one chat cannot go on in this round
    │   ├── BadOutput           the model's reply is unusable
    │   ├── NothingFound        no page tells of the work
    │   ├── CallRefused         the server refuses this one call
    │   └── CallFailed          the server did not answer, however often it was asked
    └── Stopped                 no further call is made
        ├── BudgetReached
        ├── Interrupted
        └── ServerRefuses       wrong key, no such model, no credit, nobody there
"""

from __future__ import annotations

from training.errors import TrainingError


class GenerationError(TrainingError):
    """The generation of data failed."""


class CannotGenerate(GenerationError):
    """The run cannot begin."""


class JournalDamaged(CannotGenerate):
    """A line of the journal, other than a half-written last one, cannot be read."""


class ChatFailed(GenerationError):
    """A chat cannot be written in this round."""

    kind = "failed"
    """The short word under which reports count it."""
    final = True
    """Whether a chat is given up after enough rounds; otherwise it stays to be done by a later run."""
    advice = ""
    """What the operator can do about it; the reason alone is for the model."""


class BadOutput(ChatFailed):
    """The model's reply is not of the form that was asked for."""

    def __init__(self, reason: str, kind: str = "bad reply", advice: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.advice = advice


class NothingFound(ChatFailed):
    """No page about the work was found in the chat's language."""

    kind = "no background"


class CallRefused(ChatFailed):
    """The server refuses this one request."""

    kind = "refused by the server"


class CallFailed(ChatFailed):
    """The server did not answer in time, or only with errors."""

    kind = "server out of reach"
    final = False


class Stopped(GenerationError):
    """No further call is made in this run."""


class BudgetReached(Stopped):
    """The next call could exceed the budget."""


class Interrupted(Stopped):
    """The run was told to stop."""


class ServerRefuses(Stopped):
    """The server cannot be worked with."""

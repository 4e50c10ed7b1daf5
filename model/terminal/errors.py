"""What can stand in the way of a chat, as a branch of `ModelError`.

ModelError
└── ChatError
    ├── WorkerAway
    ├── NoSuchModel
    └── ArchiveError
"""

from __future__ import annotations

from model.errors import ModelError


class ChatError(ModelError):
    """The chat cannot go on with this."""


class WorkerAway(ChatError):
    """Nobody answers at the worker's address."""


class NoSuchModel(ChatError):
    """The worker has no model of this name."""


class ArchiveError(ChatError):
    """There is no such conversation, or it cannot be read or written."""

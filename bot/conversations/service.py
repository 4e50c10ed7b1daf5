"""What members can do with a conversation, each as one transaction that leaves rows for the dispatcher. Knows no
Discord: ids in, rows out. Each kind has a module of its own."""

from __future__ import annotations

from bot.conversations.bible import Bible
from bot.conversations.branches import Branches
from bot.conversations.changes import Changes
from bot.conversations.lifecycle import Lifecycle
from bot.conversations.lookups import Lookups
from bot.conversations.steering import Steering
from bot.conversations.turns import Turns


class ConversationService(Turns, Steering, Branches, Changes, Lifecycle, Bible, Lookups):
    """Everything that a command, a message or a button asks for."""

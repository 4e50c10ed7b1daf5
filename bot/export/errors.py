"""What an export may be refused for."""

from __future__ import annotations

from bot.errors import BotError


class NothingToExport(BotError):
    """There is no text yet in this branch of the story."""

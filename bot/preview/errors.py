"""What can go wrong with the preview, as part of the bot's one tree of exceptions (`bot.errors`)."""

from __future__ import annotations

from bot.errors import BotError


class PreviewError(BotError):
    """The preview could not be opened."""


class PreviewPackagesMissing(PreviewError):
    """The preview needs packages that are not installed; get them with: pip install 'fanfabler[preview]'"""


class SavedStateUnreadable(PreviewError):
    """The saved state of the simulated Discord cannot be read."""

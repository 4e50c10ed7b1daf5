"""The whole bot in a local browser page: a simulated Discord (simcord) with a server, a channel and members.
Nothing outside this package knows of simcord, and importing this package does not import it."""

from __future__ import annotations

from bot.preview.errors import PreviewError, PreviewPackagesMissing, SavedStateUnreadable
from bot.preview.session import RunningPreview, open_preview, require_packages
from bot.preview.world import CHANNEL_NAME, GUILD_ID, GUILD_NAME

__all__ = [
    "CHANNEL_NAME",
    "GUILD_ID",
    "GUILD_NAME",
    "PreviewError",
    "PreviewPackagesMissing",
    "RunningPreview",
    "SavedStateUnreadable",
    "open_preview",
    "require_packages",
]

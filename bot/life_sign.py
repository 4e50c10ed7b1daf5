"""`python -m bot health`: whether the bot that `bot.pulse` beats for serves. Imports nothing of it."""

from __future__ import annotations

import time
from pathlib import Path

STALE_SECONDS = 60.0
"""A file that is older stands for a bot that does not serve."""


def health(path: Path | None) -> tuple[bool, str]:
    """Whether the bot that touches this file serves, and how that is said."""
    if path is None:
        return False, "PULSE_FILE is not set. Name a file there, for the bot and for this command."
    try:
        age = time.time() - path.stat().st_mtime
    except OSError:
        return False, f"There is no {path}: the bot is not running, or has not been connected yet."
    if age > STALE_SECONDS:
        return (
            False,
            f"No sign of life for {age:.0f} seconds: the bot hangs, or has lost Discord or its database.",
        )
    return True, f"The bot serves; its last sign of life was {age:.0f} seconds ago."

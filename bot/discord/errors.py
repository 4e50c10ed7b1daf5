"""What Discord's refusals mean for an answer. Codes: Discord's documentation, «JSON Error Codes»."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import discord

from bot.errors import StageError, ThreadGone

UNKNOWN_MESSAGE = 10008
ARCHIVED = 50083
THREAD_EXISTS = 160004
THREAD_LOCKED = 160005


class NoThreadsHere(ThreadGone):
    """Threads of the wanted kind cannot be opened in a channel of this kind."""


class ThreadLocked(ThreadGone):
    """Only moderators may write in this thread."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn discord.py's exceptions into `StageError` (try again) and `ThreadGone` (do not)."""
    try:
        yield
    except discord.HTTPException as error:
        if error.code == THREAD_LOCKED:
            raise ThreadLocked(f"Discord says {error.code}: {error.text}") from error
        if isinstance(error, (discord.NotFound, discord.Forbidden)):
            raise ThreadGone(f"Discord says {error.code}: {error.text}") from error
        raise StageError(f"Discord says {error.status}, {error.code}: {error.text}") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise StageError(f"Discord is out of reach: {type(error).__name__}") from error

"""Ids that sort as they were given."""

from __future__ import annotations

import secrets
import time


def new_id(prefix: str) -> str:
    """Such as `ftjob-18c3a1b2f40e9d21-7f3a`: the time, and something that nobody guesses."""
    return f"{prefix}-{time.time_ns():016x}{secrets.token_hex(4)}"

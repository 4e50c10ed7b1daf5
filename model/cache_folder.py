"""Where what is made ready once is kept."""

from __future__ import annotations

import os
from pathlib import Path


def default_cache() -> Path:
    """`fanfabler` below the user's cache folder ($XDG_CACHE_HOME, or ~/.cache)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fanfabler"

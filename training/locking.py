"""A file that one process at a time holds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FileHeld(Exception):
    """Another process holds the file."""


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the file while the block runs; the system lets go of it however the process ends.

    Raises `FileHeld` where another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            _take(descriptor)
        except OSError as error:
            raise FileHeld(f"{path} is held by another process") from error
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> None:
    """Hold an open file until it is closed. Raises `OSError` where it is held."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

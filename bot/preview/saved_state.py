"""The simulated Discord on disk: written whole and atomically, so often that `kill -9` loses a second or so,
and read back in the next process. It holds the page's secret too, so that an open tab goes on working."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.preview.errors import SavedStateUnreadable

if TYPE_CHECKING:
    from simcord.backend import Backend

log = logging.getLogger(__name__)

FORMAT = 1
# Logs of what happened and callbacks into a running process: nothing that a restart needs.
VOLATILE = ("subscribers", "transcript", "http_requests", "faults")
TRUSTED_MODULES = ("simcord.", "bot.preview.")
TRUSTED_NAMES = {
    ("builtins", "frozenset"),
    ("builtins", "set"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
}
SHORTEST_INTERVAL = 1.0  # seconds between two writes


@dataclass(frozen=True, slots=True)
class SavedState:
    """What one process leaves to the next: simcord's backend and the secret of the page's address."""

    backend: Backend
    secret: str = field(repr=False)


class _StateUnpickler(pickle.Unpickler):
    """Makes nothing but plain values and simcord's own data classes."""

    def find_class(self, module: str, name: str) -> Any:
        if "." not in name and (module.startswith(TRUSTED_MODULES) or (module, name) in TRUSTED_NAMES):
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} does not belong in a saved state")


def freeze(state: SavedState) -> bytes:
    """The state as bytes. Runs in one go on the event loop, so that it is of one moment."""
    backend = state.backend
    kept = {name: getattr(backend, name) for name in VOLATILE}
    try:
        for name in VOLATILE:
            setattr(backend, name, [])
        return pickle.dumps({"format": FORMAT, "secret": state.secret, "backend": backend}, protocol=5)
    finally:
        for name, value in kept.items():
            setattr(backend, name, value)


def thaw(data: bytes) -> SavedState:
    """The state back from its bytes; `SavedStateUnreadable` where they are damaged or of another version."""
    try:
        content = _StateUnpickler(io.BytesIO(data)).load()
        version, backend, secret = content["format"], content["backend"], content["secret"]
    except Exception as error:  # a damaged pickle may raise anything
        raise SavedStateUnreadable(f"The preview's saved state cannot be read: {error}.") from error
    if version != FORMAT:
        raise SavedStateUnreadable(f"The preview's saved state has format {version}, not {FORMAT}.")
    return SavedState(backend, secret)


def write(path: Path, data: bytes) -> None:
    """Replace the file in one step; readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read(path: Path) -> SavedState | None:
    """The saved state, or None where there is none. One that cannot be read is set aside, with a warning."""
    try:
        return thaw(path.read_bytes())
    except FileNotFoundError:
        return None
    except SavedStateUnreadable as error:
        aside = path.with_name(path.name + ".unreadable")
        path.replace(aside)
        log.warning("%s It is now %s; the preview starts with a new server.", error, aside)
        return None


class StateKeeper:
    """Writes the state soon after it changed, and once more at the end."""

    def __init__(self, path: Path, state: SavedState, changes: Callable[[], int]) -> None:
        self._path = path
        self._state = state
        self._changes = changes
        self._written: int | None = None
        self._writing = threading.Lock()

    async def run(self) -> None:
        """Write until cancelled. A state that takes long to write is written less often."""
        interval = SHORTEST_INTERVAL
        while True:
            await asyncio.sleep(interval)
            if self._changes() == self._written:
                continue
            began = time.monotonic()
            changes, data = self._changes(), freeze(self._state)
            frozen = time.monotonic()
            try:
                await asyncio.to_thread(self._write, data)
                self._written = changes
            except OSError as error:
                log.warning("The preview's state could not be written to %s: %s", self._path, error)
            # Freezing holds up the event loop: keep it under one twentieth of the time.
            interval = max(SHORTEST_INTERVAL, 20 * (frozen - began))

    def write_now(self) -> None:
        """Write what is there now, on this thread; for the end, when `run` has been cancelled."""
        try:
            self._write(freeze(self._state))
        except OSError as error:
            log.warning("The preview's state could not be written to %s: %s", self._path, error)

    def _write(self, data: bytes) -> None:
        # A cancelled `run` may leave its thread writing: the last state must come last.
        with self._writing:
            write(self._path, data)

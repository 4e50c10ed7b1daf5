"""The journal of a stage: what was sent and what came back, line by line, so that nothing is paid for twice.

Append-only JSON lines. A line is in the file before its call is made (`sent`) and on the disk, by fsync, before
the answer is used (`answer`). So a killed process loses at most the answers that had not come in or been
synced: those stay behind as `sent` without an end, and are counted as lost when the journal is opened again.
Lines of many calls share an fsync.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from training.generation.errors import JournalDamaged

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and what they cost; `estimated` where the server did not say."""

    tokens_in: int = 0
    tokens_out: int = 0
    usd: float = 0.0
    estimated: bool = False

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.usd + other.usd,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class PaidReply:
    """An answer that was paid for."""

    text: str
    finish: str
    form: str
    usage: Usage
    request: str | None = None
    """The digest of what it answers; earlier versions did not note it."""

    def answers(self, request: str) -> bool:
        """Whether it answers the request of this digest, as far as one can know."""
        return self.request in (None, request)


@dataclass(slots=True)
class Entry:
    """What the journal knows of one slot: all answers, the oldest first, and the calls whose answer was lost."""

    replies: list[PaidReply] = field(default_factory=list)
    lost: list[Usage] = field(default_factory=list)
    """What the lost calls may have cost at most."""
    note: Any = None
    """The value of a slot that costs nothing."""

    def price(self, of: Callable[[Usage], Usage]) -> None:
        """Have every call cost what `of` says. What stands in the file stays."""
        self.replies = [replace(reply, usage=of(reply.usage)) for reply in self.replies]
        self.lost = [of(worst) for worst in self.lost]


class Journal(AbstractContextManager["Journal"]):
    """One file. Opening it repairs a half-written last line; a file belongs to one process at a time."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        """Raises `JournalDamaged`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = read_journal(path)
        self.entries = content.entries
        self._calls = itertools.count(content.last_call + 1)
        self._writing = threading.Lock()
        self._pending: list[tuple[bytes, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if content.torn:
            os.ftruncate(self._fd, content.length)
        if content.fingerprints[-1:] != [fingerprint]:
            self._write({"event": "begin", "format": FORMAT, "fingerprint": fingerprint, "at": _now()})
        for call, (slot, worst) in content.open_calls.items():
            self.lost(call, slot, worst, "the process ended")
        os.fsync(self._fd)
        _sync_folder(path.parent)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def get(self, slot: str) -> Entry:
        """What is known of a slot; an empty entry for a new one."""
        return self.entries.get(slot) or Entry()

    def sent(self, slot: str, worst: Usage) -> int:
        """Note that a call is about to be made, and what it can cost; returns its number."""
        call = next(self._calls)
        self._write(
            {"event": "sent", "call": call, "slot": slot, "at": _now(), "worst": _usage_fields(worst)}
        )
        return call

    def refused(self, call: int, slot: str, why: str) -> None:
        """The call was answered with an error: nothing was paid."""
        self._write({"event": "refused", "call": call, "slot": slot, "why": why})

    def lost(self, call: int, slot: str, worst: Usage, why: str) -> None:
        """No answer came, and nobody knows whether the server did the work."""
        self._write({"event": "lost", "call": call, "slot": slot, "why": why})
        self._entry(slot).lost.append(worst)

    async def answered(self, call: int, slot: str, reply: PaidReply) -> None:
        """Keep an answer; returns once it is on the disk."""
        await self._append(
            {
                "event": "answer",
                "call": call,
                "slot": slot,
                "at": _now(),
                "text": reply.text,
                "finish": reply.finish,
                "form": reply.form,
                "request": reply.request,
                "usage": _usage_fields(reply.usage),
            }
        )
        self._entry(slot).replies.append(reply)

    async def noted(self, slot: str, value: Any) -> None:
        """Keep a value that cost nothing; returns once it is on the disk."""
        await self._append({"event": "note", "slot": slot, "at": _now(), "value": value})
        self._entry(slot).note = value

    def _entry(self, slot: str) -> Entry:
        return self.entries.setdefault(slot, Entry())

    def _write(self, line: dict[str, Any]) -> None:
        self._put(_encoded(line))

    def _put(self, lines: bytes) -> None:
        with self._writing:
            view = memoryview(lines)
            while view:
                view = view[os.write(self._fd, view) :]

    async def _append(self, line: dict[str, Any]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((_encoded(line), done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        # A waiter that is cancelled must not take the line away from the others.
        await asyncio.shield(done)

    async def _flush(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                try:
                    await asyncio.to_thread(self._sync, b"".join(line for line, _ in batch))
                except OSError as error:
                    for _, done in batch:
                        done.set_exception(error)
                else:
                    for _, done in batch:
                        done.set_result(None)
        finally:
            self._flushing = None

    def _sync(self, lines: bytes) -> None:
        self._put(lines)
        os.fsync(self._fd)


@dataclass(slots=True)
class Content:
    """What stands in a journal's file."""

    entries: dict[str, Entry] = field(default_factory=dict)
    fingerprints: list[str] = field(default_factory=list)
    open_calls: dict[int, tuple[str, Usage]] = field(default_factory=dict)
    """Calls that were sent and have no end: number → slot, and what it can have cost."""
    last_call: int = 0
    length: int = 0
    """Bytes of whole lines."""
    torn: int = 0
    """Bytes of a half-written line after them."""

    def entry(self, slot: str) -> Entry:
        return self.entries.setdefault(slot, Entry())

    def take(self, line: dict[str, Any]) -> None:
        """Add what a line says."""
        event, slot, call = line["event"], line.get("slot", ""), line.get("call", 0)
        self.last_call = max(self.last_call, call)
        if event == "begin":
            self.fingerprints.append(line["fingerprint"])
        elif event == "sent":
            self.open_calls[call] = (slot, Usage(**line["worst"]))
        elif event == "note":
            self.entry(slot).note = line["value"]
        else:
            _, worst = self.open_calls.pop(call, (slot, Usage()))
            if event == "lost":
                self.entry(slot).lost.append(worst)
            elif event == "answer":
                usage = Usage(**line["usage"])
                reply = PaidReply(line["text"], line["finish"], line["form"], usage, line.get("request"))
                self.entry(slot).replies.append(reply)


def read_journal(path: Path) -> Content:
    """What stands in the file, if there is one; changes nothing. Raises `JournalDamaged`."""
    content = Content()
    try:
        written = path.read_bytes()
    except FileNotFoundError:
        return content
    content.length = written.rfind(b"\n") + 1
    content.torn = len(written) - content.length
    for number, text in enumerate(written[: content.length].split(b"\n")[:-1], 1):
        try:
            line = json.loads(text)
            if line["event"] == "begin" and line["format"] != FORMAT:
                raise JournalDamaged(f"{path} was written by another version")
            content.take(line)
        except (ValueError, KeyError, TypeError) as error:
            raise JournalDamaged(
                f"{path}:{number}: not a line of a journal, so what it says cannot be trusted"
            ) from error
    return content


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _usage_fields(usage: Usage) -> dict[str, Any]:
    fields: dict[str, Any] = {"tokens_in": usage.tokens_in, "tokens_out": usage.tokens_out, "usd": usage.usd}
    return fields | {"estimated": True} if usage.estimated else fields


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _sync_folder(folder: Path) -> None:
    """A new file's name is on the disk only once its folder is. Windows has no such thing."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

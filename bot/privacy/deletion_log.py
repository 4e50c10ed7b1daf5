"""The log of deletions: a file beside the database that outlives it, so that a backup from before a deletion, once
restored, has the deletion carried out again. Consents to training that were taken back are in it too.

JSON, a line each. The first line has the key; each further one is a deletion, or a consent that was taken back
(`withdrew` instead of `member`, so that a version which knows none of these deletes nothing), with the member as a
keyed hash (HMAC SHA-256 of the Discord id). Not the plain id: whoever looks at the file, a backup of it, or a support
excerpt reads nobody's name in it, and cannot list who left; only who has the file and an id can ask whether the two
belong together. The key lies in the file itself, since one that is lost with the database would make the log worthless
just when it is needed. Lines older than the oldest backup may be removed; the first one must stay.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import os
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import make_url

from bot.errors import BotError
from bot.privacy.subject import Subject
from bot.settings import Settings

log = logging.getLogger(__name__)

_FORMAT = "fanfabler-deletions"
_VERSION = 1


class DeletionLogDamaged(BotError):
    """The deletion log (DELETION_LOG) does not begin as one does. Restore it from a copy: without it, a restored
    backup brings back what members had deleted."""


@dataclass(frozen=True)
class Entry:
    """A deletion that was promised. `posts`: what the bot had posted was to be taken down too. `consent`: nothing was
    deleted but the consent to training taken back."""

    id: str
    digest: str
    at: datetime
    posts: bool
    consent: bool = False


def log_path(settings: Settings) -> Path:
    """Where the log is: DELETION_LOG, or beside the SQLite file, or in the working directory."""
    if settings.deletion_log:
        return Path(settings.deletion_log)
    name = make_url(settings.database_url).database
    if settings.database_url.startswith("sqlite") and name and name != ":memory:":
        return Path(name).with_name(f"{Path(name).stem}-deletions.jsonl")
    return Path("fanfabler-deletions.jsonl")


class DeletionLog:
    """The log; several processes may append to the same file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def promise(self, member_id: int, at: datetime, *, posts: bool) -> Entry:
        """Write down that a member's data goes. Once this returns, it does, whatever happens.

        Raises:
            OSError, DeletionLogDamaged: nothing is promised.
        """
        return await asyncio.to_thread(self._promise, member_id, at, posts=posts)

    async def note_withdrawal(self, member_id: int, at: datetime) -> Entry:
        """Write down that a member takes their consent to training back.

        Raises:
            OSError, DeletionLogDamaged: nothing is written down.
        """
        return await asyncio.to_thread(self._promise, member_id, at, consent=True)

    async def entries(self) -> list[Entry]:
        """All deletions, and consents that were taken back, oldest first; none where there is no log yet.

        Raises:
            OSError, DeletionLogDamaged: it cannot be read.
        """
        return await asyncio.to_thread(lambda: list(self._entries()))

    async def subject(self, entry: Entry) -> Subject:
        """Whose data an entry is about."""
        key = await asyncio.to_thread(self._key)
        return Subject(lambda candidate: _digest(key, candidate) == entry.digest, entry.at)

    def _promise(self, member_id: int, at: datetime, *, posts: bool = False, consent: bool = False) -> Entry:
        if not self._path.exists():
            self._create()
        entry = Entry(str(uuid.uuid4()), _digest(self._key(), member_id), at, posts, consent)
        line: dict[str, object] = {"id": entry.id, "at": at.astimezone(UTC).isoformat()}
        line |= {"withdrew": entry.digest} if consent else {"member": entry.digest, "posts": posts}
        # A line that was being written when the machine died is closed first.
        torn = not self._path.read_bytes().endswith(b"\n")
        with self._path.open("ab") as file:
            file.write((b"\n" if torn else b"") + json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return entry

    def _create(self) -> None:
        """Make the file with its first line, whole or not at all; another process may do so at the same time."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        head = {"format": _FORMAT, "version": _VERSION, "key": secrets.token_hex(32)}
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(head).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, self._path)
            except FileExistsError:
                return
        finally:
            draft.unlink(missing_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _key(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                head = json.loads(file.readline())
            if head["format"] != _FORMAT or head["version"] != _VERSION:
                raise DeletionLogDamaged
            return bytes.fromhex(head["key"])
        except (ValueError, KeyError, TypeError) as error:
            raise DeletionLogDamaged from error

    def _entries(self) -> Iterator[Entry]:
        if not self._path.exists():
            return
        self._key()
        lines = self._path.read_bytes().split(b"\n")
        for number, line in enumerate(lines[1:], 2):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
                consent = "withdrew" in found
                entry = Entry(
                    str(uuid.UUID(found["id"])),
                    str(found["withdrew" if consent else "member"]),
                    datetime.fromisoformat(found["at"]),
                    bool(found.get("posts", False)),
                    consent,
                )
            except (ValueError, KeyError, TypeError):
                # A last line without an end was being written when the machine died, and promised nothing yet.
                if number < len(lines):
                    log.warning("line %d of the deletion log %s cannot be read", number, self._path)
                continue
            yield entry


def _digest(key: bytes, member_id: int) -> str:
    return hmac.new(key, str(member_id).encode(), hashlib.sha256).hexdigest()

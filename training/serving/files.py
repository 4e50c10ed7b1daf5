"""The files of the trainer, uploaded ones and results: a folder each, with what is known of it.

files/<id>/file.json   what is known; written last, so that a folder without it is no file
files/<id>/content     an uploaded file's rows; a result lies where its job left it
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from model.conversation import estimate_tokens
from training.chats import Chat, as_messages, write_text
from training.serving.errors import NotFound
from training.serving.ids import new_id
from training.serving.rows import BadRow, Kind, Rows, read_rows

Purpose = Literal["fine-tune", "fine-tune-results"]


class StoredFile(BaseModel):
    """What is known of a file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    filename: str
    purpose: Purpose
    bytes: int
    created_at: int
    kind: Kind | None = None
    """Of an uploaded one."""
    rows: int = 0
    languages: tuple[str, ...] = ()
    tokens: int = 0
    """Estimated, of all rows."""
    members: tuple[str, ...] = ()
    """Whose all those rows are that do not say themselves."""
    path: str | None = None
    """Of a result: where it lies below the trainer's folder."""
    job: str | None = None
    """Of a result: the job that made it."""

    def for_client(self) -> dict[str, Any]:
        """As OpenAI has it; `kind`, `rows` and `languages` are ours."""
        found: dict[str, Any] = {
            "id": self.id,
            "object": "file",
            "bytes": self.bytes,
            "created_at": self.created_at,
            "expires_at": None,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }
        if self.kind is not None:
            found |= {"kind": self.kind, "rows": self.rows, "languages": list(self.languages)}
        if self.job is not None:
            found["job"] = self.job
        return found


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that has arrived and is not let in yet. `members` are whose its rows are where they do not say."""

    path: Path
    filename: str
    kind: Kind
    members: tuple[str, ...] = ()


class FileStore:
    """All files. One process has them; reading and writing rows is for threads, the rest is quick."""

    def __init__(self, root: Path, *, sweep: bool = True) -> None:
        """`root` is the trainer's folder. Without `sweep`, what is half written is left to its writer."""
        self._root = root
        self._folder = root / "files"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._files: dict[str, StoredFile] = {}
        for path in sorted(self._folder.glob("*/file.json")):
            try:
                file = StoredFile.model_validate_json(path.read_bytes())
            except ValidationError:
                continue
            if self.path(file).exists():
                self._files[file.id] = file
            elif sweep:  # a kill while it was deleted
                path.unlink()
        if sweep:
            self._sweep()

    def _sweep(self) -> None:
        """Remove what a kill left half written."""
        for path in self._folder.iterdir():
            if not (path / "file.json").exists():
                shutil.rmtree(path, ignore_errors=True)
        for path in (*self._folder.glob("*/.*"), *self._root.glob("*.incoming-*")):
            path.unlink(missing_ok=True)

    def all(self) -> list[StoredFile]:
        """The newest first."""
        return sorted(self._files.values(), key=lambda file: file.id, reverse=True)

    def get(self, file_id: str) -> StoredFile:
        """Raises `NotFound`."""
        if file_id not in self._files:
            raise NotFound(f"There is no file {file_id!r} here.", param="id")
        return self._files[file_id]

    def path(self, file: StoredFile) -> Path:
        """Where its content lies."""
        return self._root / file.path if file.path else self._folder / file.id / "content"

    def incoming(self) -> Path:
        """A new file to write what arrives into."""
        descriptor, name = tempfile.mkstemp(dir=self._root, prefix=".incoming-")
        os.close(descriptor)
        return Path(name)

    def take(self, upload: Upload, found: Rows) -> StoredFile:
        """Let an upload in, without its bad rows."""
        file_id = new_id("file")
        folder = self._folder / file_id
        folder.mkdir()
        try:
            if found.bad:
                _leave_out(upload.path, {row.line for row in found.bad})
            upload.path.replace(folder / "content")
            file = StoredFile(
                id=file_id,
                filename=upload.filename,
                purpose="fine-tune",
                bytes=(folder / "content").stat().st_size,
                created_at=int(time.time()),
                kind=upload.kind,
                members=upload.members,
                **_figures(found),
            )
            return self._keep(file)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def add_result(self, job: str, path: Path, filename: str) -> StoredFile:
        """A file that a job made, below the trainer's folder; the same one where it is known already."""
        for file in self.all():
            if file.job == job and file.filename == filename:
                return file
        return self._keep(
            StoredFile(
                id=new_id("file"),
                filename=filename,
                purpose="fine-tune-results",
                bytes=path.stat().st_size,
                created_at=int(time.time()),
                path=path.relative_to(self._root).as_posix(),
                job=job,
            )
        )

    def delete(self, file: StoredFile) -> None:
        """Remove a file, content and all."""
        self.path(file).unlink(missing_ok=True)
        (self._folder / file.id / "file.json").unlink(missing_ok=True)
        shutil.rmtree(self._folder / file.id, ignore_errors=True)
        self._files.pop(file.id, None)

    def rows(self, file: StoredFile) -> Rows:
        """The rows of an uploaded file."""
        return read_rows(self.path(file), file.kind or "chats", file.id, checked=False)

    def forget(self, file: StoredFile, member: str) -> int:
        """Remove the rows of a member from an uploaded file; returns how many those were.

        A file that is being deleted has none any more.
        """
        try:
            found = self.rows(file)
        except FileNotFoundError:
            return 0
        theirs = {row.line for row in found.good if member in (row.members or file.members)}
        if not theirs and member not in file.members:
            return 0
        _leave_out(self.path(file), theirs)
        left = Rows([row for row in found.good if row.line not in theirs])
        self._keep(
            file.model_copy(
                update={
                    "bytes": self.path(file).stat().st_size,
                    "members": tuple(each for each in file.members if each != member),
                    **_figures(left),
                }
            )
        )
        return len(theirs)

    def _keep(self, file: StoredFile) -> StoredFile:
        write_text(self._folder / file.id / "file.json", file.model_dump_json() + "\n")
        self._files[file.id] = file
        return file


def tokens_of(chat: Chat) -> int:
    """A guess at the tokens of a chat as the model is shown it, a little high."""
    return sum(estimate_tokens(message["content"]) for message in as_messages(chat))


def refusal(bad: Sequence[BadRow]) -> list[dict[str, Any]]:
    """Bad rows for programs."""
    return [{"line": row.line, "reason": row.reason} for row in bad]


def _figures(found: Rows) -> dict[str, Any]:
    return {
        "rows": len(found.good),
        "languages": tuple(found.languages()),
        "tokens": sum(tokens_of(row.chat) for row in found.good),
    }


def _leave_out(path: Path, lines: set[int]) -> None:
    """Write the file without these lines, in one step."""
    with path.open("rb") as file:
        kept = b"".join(line for number, line in enumerate(file, 1) if number not in lines)
    scratch = path.with_name(f".{path.name}.new")
    try:
        with scratch.open("wb") as file:
            file.write(kept)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def members_of(text: str | None) -> tuple[str, ...]:
    """The form field `members`: a JSON list of hashes. Raises `ValueError`."""
    if not text:
        return ()
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise ValueError("not a JSON list of strings")
    return tuple(dict.fromkeys(found))

"""The rows of the dataset: works, and the chats about them, with how they are read and written.

What a row is to look like is fixed here as far as a program can rely on it (fields, types, turns that
alternate). Whether a row is *good* is the business of `training.checks`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from model.conversation import ChatMessage, ContextNote, Turn, build, system_prompt
from model.languages import LANGUAGES
from model.lookup_tag import parse_reply
from training.errors import DataError, MalformedRow, MissingData

DATA = Path(__file__).parent / "data"
"""The shipped dataset."""
CHATS = DATA / "chats"
"""`<code>.jsonl` per language: the source that everything else in `DATA` is made from."""
PROPERTIES = Path(__file__).parents[1] / "model" / "catalogue" / "properties"
"""`<code>.json` per language: the works of the catalogue."""

TASKS = (
    "ideas",
    "opening",
    "dialogue",
    "continuation",
    "character_voice",
    "crossover",
    "alternate_universe",
    "plot_fix",
    "worldbuilding",
    "title_summary_tags",
    "beta_read",
    "canon_question",
)
"""What people ask for."""
IMPORTED = "imported"
"""The task of a row from elsewhere, where nobody said what was asked for."""

PROPERTY_TYPES = (
    "book",
    "comic",
    "manga",
    "anime",
    "animation",
    "film",
    "tv_series",
    "video_game",
    "folklore",
    "theatre",
    "web_novel",
    "music",
    "podcast",
    "tabletop_game",
)
"""The kinds of work that people write about."""

Text = Annotated[str, Field(min_length=1)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Property(_Row):
    """A work that speakers of a language write about."""

    local_name: Text
    english_name: Text
    property_type: Text
    is_local: bool
    wikipedia_title: Text


class ChatTurn(_Row):
    """One message; `content` is not empty."""

    role: Literal["user", "assistant"]
    content: Text


class Lookup(_Row):
    """What the first answer asks Wikipedia for: a title, and the code of a language."""

    term: Text
    language: Text


class BackgroundNote(_Row):
    """What the look-up found. `url` and `revision` are given (and written) for pages of Wikipedia alone."""

    title: Text
    text: Text
    source: Literal["written", "wikipedia", "imported"]
    url: str | None = None
    revision: int | None = None

    @model_serializer(mode="wrap")
    def _without_empty(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


class Chat(_Row):
    """One row: a talk about one work, with what was looked up for it.

    `messages` alternate, from the user to the assistant. `property` is the work's English name, empty where a
    row from elsewhere is about none. A tag in a message is part of its `content`.
    """

    id: Text
    language: Text
    property: str
    task: Text
    messages: tuple[ChatTurn, ...] = Field(min_length=2, strict=False)
    lookup: Lookup | None
    background: tuple[BackgroundNote, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _fits(self) -> Chat:
        if self.language not in LANGUAGES:
            raise ValueError(f"language {self.language!r} is none of the forty")
        if self.task not in (*TASKS, IMPORTED):
            raise ValueError(f"task {self.task!r} is none of {', '.join(TASKS)}")
        roles = [turn.role for turn in self.messages]
        if roles != ["user", "assistant"] * (len(roles) // 2):
            raise ValueError("messages must alternate from the user to the assistant, who has the last word")
        return self


Row = TypeVar("Row", bound=_Row)


def as_messages(chat: Chat) -> list[ChatMessage]:
    """A chat as the model is shown it: the system prompt first, the background in front of a question.

    What was looked up stands in front of the second question, and what the second answer asks for in front of the
    third; background without a look-up in front of the first.
    """
    return build(system_prompt(LANGUAGES[chat.language]), as_turns(chat))


def as_turns(chat: Chat) -> list[Turn]:
    """The turns of `as_messages`, the notes still apart from the questions that they stand in front of."""
    notes = tuple(ContextNote(note.title, chat.language, note.text) for note in chat.background)
    first = 2 if chat.lookup else 0
    noted = {first: notes}
    if (
        first
        and len(chat.messages) > first + 2
        and parse_reply(chat.messages[3].content, chat.language).lookup
    ):
        noted = {first: notes[:1], first + 2: notes[1:]}
    return [Turn(turn.role, turn.content, noted.get(place, ())) for place, turn in enumerate(chat.messages)]


def later_turns(turns: Sequence[Turn], begin: int, end: int | None = None) -> list[Turn]:
    """Some turns, with the notes of those before them in front: as `model.conversation.fit` drops turns."""
    passed_on = tuple(note for turn in turns[:begin] for note in turn.context)
    first = replace(turns[begin], context=(*passed_on, *turns[begin].context))
    return [first, *turns[begin + 1 : end]]


def read_chats(path: Path) -> list[Chat]:
    """The chats of one JSONL file. Raises `MissingData`, and `MalformedRow` for the first bad line."""
    chats = []
    for row in scan_chats(path):
        if isinstance(row, MalformedRow):
            raise row
        chats.append(row)
    return chats


def scan_chats(path: Path) -> Iterator[Chat | MalformedRow]:
    """Each line as a chat, or as what is wrong with it; blank lines are passed over. Raises `MissingData`."""
    return (row for _, row in scan_lines(path))


def scan_lines(path: Path) -> Iterator[tuple[int, Chat | MalformedRow]]:
    """As `scan_chats`, with the number of each line, from 1. A byte-order mark, as Windows' editors put it, is none."""
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, _parse(Chat, line, path, number)
    except OSError as error:
        raise MissingData(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error}") from error


def write_chats(path: Path, chats: Iterable[Chat]) -> None:
    """Write JSONL in one step: a process that is killed leaves the old file or the new one."""
    write_text(path, "".join(chat_line(chat) for chat in chats))


def chat_line(chat: Chat) -> str:
    """A chat as a line of JSONL, with its newline; reading it and writing it again gives the same bytes."""
    return json.dumps(chat.model_dump(mode="json"), ensure_ascii=False) + "\n"


def digest_of(chats: Iterable[Chat]) -> str:
    """Tells one set of chats from another: figures on different ones are not to be compared."""
    found = hashlib.sha256()
    for chat in chats:
        found.update(chat_line(chat).encode())
    return found.hexdigest()[:16]


def read_folder(folder: Path) -> dict[str, list[Chat]]:
    """Code → chats, for every `<code>.jsonl` of the forty in `folder`, in their order. Raises as `read_chats`."""
    paths = {code: folder / f"{code}.jsonl" for code in LANGUAGES}
    found = {code: read_chats(path) for code, path in paths.items() if path.exists()}
    if not found:
        raise MissingData(f"{folder} has no <code>.jsonl of any of the forty languages")
    return found


def read_properties(path: Path) -> list[Property]:
    """The works of one `<code>.json`, a list. Raises `MissingData` and `MalformedRow`."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise MissingData(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise MalformedRow(path, getattr(error, "lineno", 1), f"no JSON: {error}") from error
    if not isinstance(rows, list):
        raise MalformedRow(path, 1, "not a list")
    works = []
    for number, row in enumerate(rows, 1):
        try:
            works.append(Property.model_validate(row))
        except ValidationError as error:
            raise MalformedRow(path, number, explain(error)) from error
    return works


def write_properties(path: Path, works: Iterable[Property]) -> None:
    """Write `<code>.json` in one step, as the catalogue has it."""
    rows = [work.model_dump(mode="json") for work in works]
    write_text(path, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file in one step, its folder with it where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def explain(error: ValidationError) -> str:
    """What pydantic found, in one line: `messages.0.content: String should have at least 1 character`."""
    found = []
    for each in error.errors(include_url=False, include_input=False):
        where = ".".join(map(str, each["loc"]))
        what = each["msg"].removeprefix("Value error, ")
        found.append(f"{where}: {what}" if where else what)
    return "; ".join(found)


def _parse(kind: type[Row], line: str, path: Path, number: int) -> Row | MalformedRow:
    try:
        return kind.model_validate(json.loads(line))
    except ValidationError as error:
        return MalformedRow(path, number, explain(error))
    except ValueError as error:
        return MalformedRow(path, number, f"no JSON: {error}")

"""The rows of uploaded files: what each kind may look like, what is wrong with a row, who wrote it and whose it is.

A row is a JSON object a line: a chat as `training.chats.Chat`, a rated one as `training.finetuning.rated`, or OpenAI's
plain `{"messages": […]}`, with a `language` where it shall not be guessed. Two more fields are the trainer's own and
never trained on: `model`, which wrote the answers, and `members`, hashes of whose talk it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.chats import Chat, explain
from training.checks.english import check_english
from training.checks.finding import Finding
from training.checks.form import check_form
from training.checks.language import check_language, check_script
from training.checks.loops import check_loops
from training.checks.phrases import check_refusal
from training.checks.row import check_row
from training.checks.tag import check_tag
from training.checks.variety import check_variety
from training.finetuning.rated import RatedChat
from training.importing.chats import import_chats
from training.importing.reading import Source

Kind = Literal["chats", "rated"]
Check = Callable[[Chat], list[Finding]]

MOST_REASONS = 10
"""Bad rows that a refusal names."""

_TALK_CHECKS: tuple[Check, ...] = (
    check_script,
    check_language,
    check_variety,
    check_english,
    check_refusal,
    check_loops,
    check_form,
)
"""What holds for any answer that is to be learnt, whatever its length and whoever wrote it."""
_USED_CHECKS: tuple[Check, ...] = (*_TALK_CHECKS, check_tag)
"""What holds for answers that a model wrote in use: those may be as short or as long as was asked for."""


class _Own(BaseModel):
    """The fields of a row that are the trainer's."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model: str | None = Field(default=None, min_length=1, max_length=400)
    members: tuple[str, ...] = Field(default=(), strict=False, max_length=1000)


@dataclass(frozen=True, slots=True)
class Row:
    """A good row. `model` wrote its answers, as far as it says; `members` are hashes of whose talk it is."""

    line: int
    chat: Chat
    model: str | None
    members: tuple[str, ...]

    @property
    def liked(self) -> bool:
        """Whether it may be learnt from as it stands."""
        return not isinstance(self.chat, RatedChat) or self.chat.rating > 0


@dataclass(frozen=True, slots=True)
class BadRow:
    """A line, from 1, and what is wrong with it."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(slots=True)
class Rows:
    """Those of one file."""

    good: list[Row] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    def languages(self) -> list[str]:
        """Their codes, in the order of the first row of each."""
        return list(dict.fromkeys(row.chat.language for row in self.good))


def read_rows(path: Path, kind: Kind, name: str, *, checked: bool = True) -> Rows:
    """The rows of a file, those that are wrong in whatever way apart.

    `name` goes into the ids of plain rows. Without `checked`, only their form is looked at: what has been let in once
    stays in.
    """
    found = Rows()
    ids: dict[str, int] = {}
    for line, text in _lines(path):
        row = _read(line, text, kind, name, checked=checked)
        if isinstance(row, Row) and (first := ids.setdefault(row.chat.id, line)) != line:
            row = BadRow(line, f"id: the same as in line {first}")
        if isinstance(row, Row):
            found.good.append(row)
        else:
            found.bad.append(row)
    if checked and kind == "chats":
        _set_repeats_apart(found)
    return found


def said_of(bad: Sequence[BadRow]) -> str:
    """The first ten, a line each."""
    said = [str(row) for row in bad[:MOST_REASONS]]
    if len(bad) > MOST_REASONS:
        said.append(f"and {len(bad) - MOST_REASONS} more")
    return "\n".join(said)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line


def _read(line: int, text: bytes, kind: Kind, name: str, *, checked: bool) -> Row | BadRow:  # noqa: PLR0911
    try:
        fields = json.loads(text.decode("utf-8-sig" if line == 1 else "utf-8"))
    except UnicodeDecodeError:
        return BadRow(line, "it is not UTF-8")
    except (ValueError, RecursionError) as error:
        return BadRow(line, f"it is no JSON: {error}")
    if not isinstance(fields, dict):
        return BadRow(line, "it is no JSON object")
    try:
        own = _Own.model_validate({key: fields.pop(key) for key in ("model", "members") if key in fields})
        chat, checks = _chat(line, fields, kind, name)
        if own.model is not None and checks:
            checks = _USED_CHECKS
    except ValidationError as error:
        return BadRow(line, explain(error))
    except _NoRow as error:
        return BadRow(line, str(error))
    except RecursionError:
        return BadRow(line, "it is nested too deeply")
    if checked and (findings := [finding for check in checks for finding in check(chat)]):
        return BadRow(line, "; ".join(map(str, findings[:3])))
    return Row(line, chat, own.model, own.members)


class _NoRow(Exception):
    """Why a plain row makes no chat."""


def _chat(line: int, fields: dict[str, Any], kind: Kind, name: str) -> tuple[Chat, tuple[Check, ...]]:
    """The row as a chat, and what it has to pass."""
    plain = set(fields) <= {"messages", "language", "rating"}
    if kind == "rated":
        rating = fields.get("rating")
        whole = {**_plain(line, fields, name), "rating": rating} if plain else fields
        rated = RatedChat.model_validate(whole)
        return rated, (_USED_CHECKS if rated.rating > 0 else ())
    if plain and "rating" not in fields:
        return Chat.model_validate(_plain(line, fields, name)), _TALK_CHECKS
    return Chat.model_validate(fields), (check_row,)


def _plain(line: int, fields: dict[str, Any], name: str) -> dict[str, Any]:
    """OpenAI's form as a chat's fields: the language found, the tags put right, its system prompt left out."""
    talk: dict[str, Any] = {key: fields[key] for key in ("messages", "language") if key in fields}
    imported = import_chats([Source(talk, str(line))], name=name)
    if not imported.chats:
        raise _NoRow(next(iter(imported.skipped), "no question with an answer"))
    chat = imported.chats[0]
    return {**chat.model_dump(mode="json"), "id": f"{chat.language}-{name}-{line:05}"}


def _set_repeats_apart(found: Rows) -> None:
    from training.checks.duplicates import find_duplicates

    repeats = find_duplicates([row.chat for row in found.good])
    found.bad += [BadRow(found.good[place].line, str(finding)) for place, finding in repeats.items()]
    found.bad.sort(key=lambda row: row.line)
    found.good = [row for place, row in enumerate(found.good) if place not in repeats]

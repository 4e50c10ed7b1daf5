"""Makes rows of this dataset of talks from elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from model.catalogue import find_property
from model.conversation import SYSTEM_PROMPT, language_of, split_user_turn
from model.detection import detect_language
from model.languages import find_language
from model.lookup_tag import Reply, format_reply, parse_reply
from training.chats import IMPORTED, TASKS, BackgroundNote, Chat, ChatTurn, Lookup, explain
from training.checks.finding import excerpt
from training.importing.markup import Said
from training.importing.reading import Source
from training.importing.shapes import Talk, find_talk

_LABEL = re.compile(
    r"^(?:\*\*|\[)?(?:wikipedia|context|background|snippet|search results?|information)(?:\*\*|\])?\s*[:：]\s*",
    re.IGNORECASE,
)
_HALF = re.compile("[\ud800-\udfff]")
_NAME = re.compile(r"[^a-z0-9]+")
_NOTE_TITLE = re.compile(r"^(?P<title>[^\n]{1,200}) \([a-z]{2}\)\n(?P<text>.+)", re.DOTALL)


class _NoChat(Exception):
    """Why a talk makes no chat."""


@dataclass
class Imported:
    """The chats, how they were found (shape → rows), and why rows were passed over (reason → their places)."""

    chats: list[Chat] = field(default_factory=list)
    shapes: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, list[str]] = field(default_factory=dict)

    @property
    def rows_skipped(self) -> int:
        return sum(map(len, self.skipped.values()))

    def skip(self, reason: str, place: str) -> None:
        """Note a row that is passed over."""
        self.skipped.setdefault(reason, []).append(place)


def import_chats(
    sources: Iterable[Source],
    *,
    name: str = "import",
    language: str | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Imported:
    """A chat of every row that holds a talk in one of the forty languages.

    `name` goes into the ids, `<code>-<name>-<number>`. `language` is the code taken for all; without it a row's own
    columns say it, else its answers' text. Rows of this dataset's own form stay as they are.
    """
    imported = Imported()
    stem = _NAME.sub("-", name.lower()).strip("-") or "import"
    for number, source in enumerate(sources, 1):
        tick()
        try:
            shape, chat = _own_row(source) or _made_row(source, f"{stem}-{number:05}", language)
        except _NoChat as reason:
            imported.skip(str(reason), source.place)
        else:
            imported.shapes[shape] += 1
            imported.chats.append(chat)
    return imported


def _own_row(source: Source) -> tuple[str, Chat] | None:
    if not {"id", "language", "task", "messages", "lookup", "background"} <= set(source.row):
        return None
    try:
        return "this dataset's own", Chat.model_validate(dict(source.row))
    except ValidationError:
        return None


def _made_row(source: Source, number: str, language: str | None) -> tuple[str, Chat]:
    talk = find_talk(source.row)
    if talk is None:
        raise _NoChat(f"no talk in the columns {', '.join(map(str, source.row))}")
    said = [turn for each in talk.turns for turn in _apart(each)]
    if any(_HALF.search(each.text) for each in said):
        raise _NoChat("half of a surrogate pair in its text")
    turns, notes = _in_turn(said)
    if len(turns) < 2:
        raise _NoChat("no question with an answer")
    code = language or _language(talk.language, said)
    first = parse_reply(turns[1].text, code)
    messages = [_message(turn, code) for turn in turns]
    lookup = Lookup(term=first.lookup.term, language=first.lookup.language) if first.lookup else None
    work = _work(talk, lookup, code)
    title = lookup.term if lookup else work
    try:
        return talk.shape, Chat(
            id=f"{code}-{number}",
            language=code,
            property=work,
            task=talk.task if talk.task in TASKS else IMPORTED,
            messages=tuple(messages),
            lookup=lookup,
            background=tuple(
                BackgroundNote(title=name or title or excerpt(text), text=text, source="imported")
                for name, text in (*talk.notes, *notes)
            ),
        )
    except ValidationError as error:
        raise _NoChat(explain(error)) from error


def _apart(turn: Said) -> list[Said]:
    """Our own system prompt set apart from the first message, where a format without system role joined them."""
    if turn.role == "user" and turn.text.startswith(SYSTEM_PROMPT):
        system, _, text = turn.text.partition("\n\n")
        return [Said("system", system), Said("user", text)]
    return [turn]


def _in_turn(said: Sequence[Said]) -> tuple[list[Said], list[tuple[str, str]]]:
    """User and assistant in turn, and what stood between them as (title, text).

    Of two user turns in a row after an answer with a tag, the first is what the look-up found: so the article's
    chats have it. Other turns of one side in a row become one. What has no answer at the end is left out.
    """
    turns: list[Said] = []
    notes: list[tuple[str, str]] = []
    pending: list[Said] = []
    for turn in said:
        if turn.role == "system":
            continue
        if turn.role == "context":
            notes.append(("", _without_label(turn.text)))
        elif turn.role == "user":
            found, text = split_user_turn(turn.text)
            notes += _marked_notes(found)
            pending.append(Said("user", text.strip()))
        elif pending:
            if turns and len(pending) > 1 and parse_reply(turns[-1].text, "en").lookup:
                notes += _marked_notes(_without_label(pending.pop(0).text))
            turns += [Said("user", "\n\n".join(each.text for each in pending)), turn]
            pending = []
        elif turns:
            turns[-1] = Said("assistant", f"{turns[-1].text}\n\n{turn.text}")
    return turns, notes


def _without_label(text: str) -> str:
    return _LABEL.sub("", text.strip())


def _marked_notes(text: str) -> list[tuple[str, str]]:
    """The notes of the marked block that `model.conversation` puts in front of a question."""
    notes = []
    for block in re.split(r"\n\n(?=[^\n]{1,200} \([a-z]{2}\)\n)", text) if text else []:
        match = _NOTE_TITLE.match(block)
        notes.append((match["title"], match["text"]) if match else ("", block))
    return notes


def _message(turn: Said, code: str) -> ChatTurn:
    """A turn as this dataset has it: an answer's tag in its exact form."""
    if turn.role == "user":
        return ChatTurn(role="user", content=turn.text)
    reply = parse_reply(turn.text, code)
    return ChatTurn(
        role="assistant", content=format_reply(Reply(reply.text.strip(), reply.lookup)) or turn.text
    )


def _language(named: str, said: Sequence[Said]) -> str:
    """What the row says, else our own system prompt in it, else what the answers read like."""
    if named:
        language = find_language(named)
        if language is None:
            raise _NoChat(f"language {named!r} is none of the forty")
        return language.code
    spoken = next(
        (found for turn in said if turn.role == "system" and (found := language_of(turn.text))), None
    )
    if spoken:
        return spoken.code
    answers = [parse_reply(turn.text, "en") for turn in said if turn.role == "assistant"]
    prior = next((reply.lookup.language for reply in answers if reply.lookup), None)
    detected = detect_language(" ".join(reply.text for reply in answers), prior)
    if detected is None:
        raise _NoChat("the language cannot be told")
    return detected


def _work(talk: Talk, lookup: Lookup | None, code: str) -> str:
    """The work's English name where the catalogue knows it; else what the row calls it."""
    for name in (talk.work, lookup.term if lookup else ""):
        if name and (known := find_property(name, code)):
            return known.english_name
    return talk.work

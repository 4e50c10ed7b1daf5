"""Finds the talk in a row from elsewhere by its columns.

Tried in this order: a list of turns (OpenAI's messages, ShareGPT, plain lists), a string with special tokens,
numbered questions and answers, Alpaca, a prompt and a response, a string with role markers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from training.importing.markup import Said, is_marked_up, read_markup, read_plain, role_of
from training.importing.reading import Row

LANGUAGE_COLUMNS = ("language", "language_code", "lang", "lang_code", "wp_code", "locale", "code")
PROPERTY_COLUMNS = ("property", "english_name", "fandom", "work", "franchise", "title", "local_name")
BACKGROUND_COLUMNS = (
    "background", "context", "wikipedia", "wiki", "snippet", "extract", "passage", "article", "wikipedia_text",
    "wikipedia_snippet", "search_result", "search_results", "information",
)  # fmt: skip
ID_COLUMNS = ("id", "uuid", "conversation_id", "chat_id", "row_id")
TASK_COLUMNS = ("task", "category", "question_type")

_LISTS = ("messages", "conversations", "conversation", "chat", "dialog", "dialogue", "turns", "chosen")
_PROMPTS = (
    "prompt",
    "question",
    "query",
    "user",
    "human",
    "instruction",
    "input",
    "user_message",
    "user_prompt",
    "request",
)
_RESPONSES = (
    "response", "completion", "answer", "output", "assistant", "reply", "chosen", "target", "gpt", "model_response",
    "assistant_message", "assistant_response",
)  # fmt: skip
_SYSTEMS = ("system", "system_prompt", "system_message")
_ORDINALS = {"initial": 1, "first": 1, "second": 2, "followup": 2, "follow_up": 2, "third": 3, "fourth": 4}
_ASKS = re.compile(r"(?:^|_)(?:question|prompt|user|query|human|instruction|request|q)(?:_|$)")
_ANSWERS = re.compile(r"(?:^|_)(?:answer|response|assistant|completion|reply|output|gpt|a)(?:_|$)")
_NUMBER = re.compile(r"_?(\d{1,2})$")
_ROLE_KEYS, _TEXT_KEYS = (
    ("role", "from", "speaker", "author", "sender"),
    ("content", "value", "text", "message"),
)


@dataclass(frozen=True, slots=True)
class Talk:
    """What a row holds: turns as they stand there, and what its other columns say. `shape` is how it was found."""

    shape: str
    turns: tuple[Said, ...]
    language: str = ""
    work: str = ""
    id: str = ""
    task: str = ""
    notes: tuple[tuple[str, str], ...] = field(default=())


def find_talk(row: Row) -> Talk | None:
    """The talk in a row, or None where none of the known shapes fits."""
    columns = {re.sub(r"\W+", "_", str(name)).strip("_").lower(): value for name, value in row.items()}
    for shape, read in _SHAPES:
        turns = read(columns)
        if turns:
            return Talk(
                shape=shape,
                turns=tuple(turns),
                language=_first_text(columns, LANGUAGE_COLUMNS),
                work=_first_text(columns, PROPERTY_COLUMNS),
                id=_first_text(columns, ID_COLUMNS),
                task=_first_text(columns, TASK_COLUMNS),
                notes=tuple(_notes(columns)),
            )
    return None


def _from_list(columns: Row) -> list[Said]:
    names = [*(name for name in _LISTS if name in columns), *(name for name in columns if name not in _LISTS)]
    for name in names:
        turns = _turns(columns[name])
        if len(turns) >= 2 and name not in (*BACKGROUND_COLUMNS, "history", "rejected"):
            return [*_system(columns), *turns]
    return []


def _turns(value: Any) -> list[Said]:
    """A list of `{role, content}` under any of the usual names, of `[role, text]`, or of texts in turn."""
    items = _as_list(value)
    turns = [turn for item in items if (turn := _turn(item))]
    if turns or not items or not all(isinstance(item, str) for item in items):
        return turns
    return [Said("user" if place % 2 == 0 else "assistant", text) for place, text in enumerate(items)]


def _turn(item: Any) -> Said | None:
    if isinstance(item, Mapping):
        role = next((str(item[key]) for key in _ROLE_KEYS if item.get(key)), "")
        content = next((item[key] for key in _TEXT_KEYS if item.get(key)), None)
    elif isinstance(item, Sequence) and not isinstance(item, str) and len(item) == 2:
        role, content = str(item[0]), item[1]
    else:
        return None
    known, text = role_of(role), _content(content)
    return Said(known, text) if known and text else None


def _content(content: Any) -> str:
    """The text of a message, whose content may be a list of parts."""
    if isinstance(content, str):
        return content.strip()
    if isinstance(content, Sequence):
        return "\n".join(
            str(part["text"]) for part in content if isinstance(part, Mapping) and part.get("text")
        ).strip()
    return ""


def _as_list(value: Any) -> list[Any]:
    """A list, or a string of JSON that is one (as CSV carries them)."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []


def _from_markup(columns: Row) -> list[Said]:
    marked = [name for name, value in columns.items() if isinstance(value, str) and is_marked_up(value)]
    if not marked:
        return []
    prompt = next((name for name in marked if name in _PROMPTS), None)
    response = next((name for name in _RESPONSES if prompt and _text(columns.get(name))), None)
    if prompt and response:
        return read_markup(columns[prompt] + columns[response])
    return max((read_markup(columns[name]) for name in marked), key=len)


def _from_numbers(columns: Row) -> list[Said]:
    """`question_1`, `answer_1`, `question_2` …, or `first_question`, `second_answer` and the like."""
    asked: dict[int, str] = {}
    answered: dict[int, str] = {}
    for name, value in columns.items():
        stem, number = _numbered(name)
        if number and _text(value):
            if _ANSWERS.search(stem):
                answered[number] = _text(value)
            elif _ASKS.search(stem):
                asked[number] = _text(value)
    pairs = [number for number in sorted(asked) if number in answered]
    turns = [
        turn
        for number in pairs
        for turn in (Said("user", asked[number]), Said("assistant", answered[number]))
    ]
    return [*_system(columns), *turns] if turns else []


def _numbered(name: str) -> tuple[str, int]:
    """The stem of a column's name and its number, 0 where it has none."""
    if match := _NUMBER.search(name):
        return name[: match.start()], int(match[1])
    for word, number in _ORDINALS.items():
        if name.startswith(f"{word}_"):
            return name.removeprefix(f"{word}_"), number
    return name, 0


def _from_alpaca(columns: Row) -> list[Said]:
    instruction = _text(columns.get("instruction"))
    answer = _text(columns.get("output")) or _text(columns.get("response"))
    if not instruction or not answer:
        return []
    more = _text(columns.get("input"))
    history = [turn for pair in _as_list(columns.get("history")) for turn in _exchange(pair)]
    asked = f"{instruction}\n\n{more}" if more else instruction
    return [*_system(columns), *history, Said("user", asked), Said("assistant", answer)]


def _exchange(pair: Any) -> list[Said]:
    """A question and its answer, as Alpaca's `history` has them."""
    texts = [_text(item) for item in _as_list(pair)]
    return [Said("user", texts[0]), Said("assistant", texts[1])] if len(texts) == 2 and all(texts) else []


def _from_pair(columns: Row) -> list[Said]:
    asked, answered = _first_text(columns, _PROMPTS), _first_text(columns, _RESPONSES)
    return [*_system(columns), Said("user", asked), Said("assistant", answered)] if asked and answered else []


def _from_plain(columns: Row) -> list[Said]:
    texts = [value for value in columns.values() if isinstance(value, str)]
    return next((turns for text in texts if (turns := read_plain(text))), [])


def _system(columns: Row) -> list[Said]:
    text = _first_text(columns, _SYSTEMS)
    return [Said("system", text)] if text else []


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _first_text(columns: Row, names: Sequence[str]) -> str:
    values = (str(columns[name]).strip() for name in names if isinstance(columns.get(name), str | int))
    return next((value for value in values if value), "")


def _notes(columns: Row) -> list[tuple[str, str]]:
    """(title, text) of what the row has as background."""
    for name in BACKGROUND_COLUMNS:
        value = columns.get(name)
        if text := _text(value):
            return [("", text)] if not _as_list(text) else _listed_notes(_as_list(text))
        if notes := _listed_notes(_as_list(value)):
            return notes
    return []


def _listed_notes(items: Sequence[Any]) -> list[tuple[str, str]]:
    notes = []
    for item in items:
        if isinstance(item, str) and item.strip():
            notes.append(("", item.strip()))
        elif isinstance(item, Mapping):
            text = _first_text(item, ("text", "extract", "content", "snippet", "summary"))
            if text:
                notes.append((_first_text(item, ("title", "name")), text))
    return notes


_SHAPES = (
    ("a list of turns", _from_list),
    ("special tokens", _from_markup),
    ("numbered questions and answers", _from_numbers),
    ("Alpaca", _from_alpaca),
    ("prompt and response", _from_pair),
    ("role markers", _from_plain),
)

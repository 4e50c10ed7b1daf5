"""A good row of a language, and ways to spoil it."""

from __future__ import annotations

from functools import cache
from typing import Any

from model.lookup_tag import Lookup, format_tag, parse_reply
from training.chats import CHATS, Chat, ChatTurn, read_chats


@cache
def good_rows(language: str) -> tuple[Chat, ...]:
    """The shipped rows of a language."""
    return tuple(read_chats(CHATS / f"{language}.jsonl"))


def good_row(language: str = "de", *, lookup: bool = True) -> Chat:
    """The first shipped row of a language with a look-up, or without one."""
    return next(row for row in good_rows(language) if (row.lookup is not None) is lookup)


def with_message(chat: Chat, place: int, content: str) -> Chat:
    """The row with another message at this place; the tag of the first answer stays as it was."""
    if place == 1 and chat.lookup is not None and ">>>" not in content:
        content += "\n\n" + format_tag(Lookup(chat.lookup.term, chat.lookup.language))
    turns = list(chat.messages)
    turns[place] = ChatTurn(role=turns[place].role, content=content)
    return chat.model_copy(update={"messages": tuple(turns)})


def answer(chat: Chat, place: int = 3) -> str:
    """What the assistant says there, without a tag."""
    return parse_reply(chat.messages[place].content, chat.language).text


def changed(chat: Chat, **fields: Any) -> Chat:
    """The row with other fields."""
    return Chat.model_validate(chat.model_dump() | fields)

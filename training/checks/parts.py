"""The parts of a row that hold text, each with its place: what most checks go over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from model.lookup_tag import parse_reply
from training.chats import Chat


@dataclass(frozen=True, slots=True)
class Part:
    """A text of a row without its tag; `where` is its place in the row, `index` its number among its kind."""

    kind: Literal["user", "assistant", "background"]
    index: int
    where: str
    text: str


def parts(chat: Chat) -> Iterator[Part]:
    """Messages, then background; `index` counts the messages from 0 and the notes from 0."""
    yield from messages(chat)
    for index, note in enumerate(chat.background):
        yield Part("background", index, f"background.{index}", note.text)


def messages(chat: Chat) -> Iterator[Part]:
    """The messages in their order."""
    for index, turn in enumerate(chat.messages):
        text = parse_reply(turn.content, chat.language).text if turn.role == "assistant" else turn.content
        yield Part(turn.role, index, f"messages.{index}", text)


def answers(chat: Chat) -> Iterator[Part]:
    """What the assistant says."""
    return (part for part in messages(chat) if part.kind == "assistant")

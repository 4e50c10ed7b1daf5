"""What the model is asked: the chats' own turns up to each answer, which the answer is then compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from model.conversation import ChatMessage
from model.lookup_tag import parse_reply
from training.chats import Chat, as_messages


@dataclass(frozen=True, slots=True)
class Question:
    """A chat up to one of its answers. `messages` begin with the system prompt; `turn` counts answers from 0."""

    chat: str
    language: str
    turn: int
    messages: tuple[ChatMessage, ...]
    reference: str
    """What the data answers, tag and all."""

    @property
    def wants_tag(self) -> bool:
        """Whether the reference asks for a page."""
        return parse_reply(self.reference, self.language).lookup is not None


def questions(chats: Iterable[Chat], languages: Sequence[str] | None = None) -> Iterator[Question]:
    """Every answer of every chat is asked for once, with all before it as the data has it."""
    for chat in chats:
        if languages is not None and chat.language not in languages:
            continue
        messages = as_messages(chat)
        answers = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
        for turn, place in enumerate(answers):
            before = tuple(messages[:place])
            yield Question(chat.id, chat.language, turn, before, messages[place]["content"])

"""The messages of a chat: what the model is told, for training and for serving alike.

Here are the system prompt, the marked block that carries notes about a work, and the order in which things
are dropped when they do not fit. How messages become tokens is `model.prompt`'s business.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from model.errors import PromptTooLong
from model.languages import Language, find_language

Role = Literal["system", "user", "assistant"]

SYSTEM_PROMPT = """\
You are FanFabler, a partner for writing fan fiction. Help with ideas, scenes, dialogue, characters, plot \
and craft. Be concrete and vivid, and keep to what is suitable for teenagers.
Answer in the language of the user's message. Build on the conversation and on the notes that stand in front \
of some messages. Get the facts of the original work right; where the notes are about something else or say \
nothing, say so in half a sentence and go on from what the user gave.
Where facts about a work would help and there are no notes about it yet, end your answer with a blank line \
and two more lines, and nothing after them:
>>> search term
>>> language code
The search term is the title to look up in the Wikipedia of that language."""

NOTES_BEGIN = "[Notes]"
NOTES_END = "[End of notes]"

TOKENS_PER_MESSAGE = 8
"""What role, header and end of a message cost at most, in any format for chat models."""

_LANGUAGE_LINE = re.compile(r"^Language of this conversation: .+ \((?P<code>[a-z]{2})\)\s*\Z", re.MULTILINE)
_SPECIAL = re.compile(
    r"<[|｜]|[|｜]>"
    r"|<(?=/?(?:s|bos|eos|pad|unk|mask|cls|sep|sys|inst|think|tool_call|(?:start|end)_of_[a-z]+)>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|TOOL_CALLS|TOOL_RESULTS|AVAILABLE_TOOLS)\])",
    re.IGNORECASE,
)
# Llama 3's tokens per letter at worst, measured on the shipped chats, for scripts where it is more than one.
_COSTLY = ((0x0530, 0x0590, 2.0), (0x0590, 0x0600, 1.4), (0x2E80, 0xA000, 1.3), (0x10000, 0x110000, 4.0))


class ChatMessage(TypedDict):
    """A message as OpenAI's chat API has it."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class ContextNote:
    """What is known about a work: a title, the code of the language of `text`, and the text."""

    title: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation; a user's may have notes, found before it was answered."""

    role: Literal["user", "assistant"]
    text: str
    context: tuple[ContextNote, ...] = ()


def system_prompt(language: Language) -> str:
    """The system prompt of a conversation in this language."""
    name = f"{language.english_name} ({language.code})"
    return f"{SYSTEM_PROMPT}\nLanguage of this conversation: {name}"


def language_of(system: str) -> Language | None:
    """The language that a text of `system_prompt` names in its last line; None for any other text."""
    line = _LANGUAGE_LINE.search(system)
    return find_language(line["code"]) if line else None


def user_turn(text: str, context: Sequence[ContextNote] = ()) -> str:
    """The content of a user message: the notes in one marked block, a blank line, what the user wrote."""
    if not context:
        return text
    notes = "\n\n".join(
        f"{_one_line(note.title)} ({note.language})\n{_inside(note.text)}" for note in context
    )
    return f"{NOTES_BEGIN}\n{notes}\n{NOTES_END}\n\n{text}"


def split_user_turn(content: str) -> tuple[str, str]:
    """The notes and the text that `user_turn` joined; no notes are an empty string."""
    if not content.startswith(f"{NOTES_BEGIN}\n"):
        return "", content
    notes, end, text = content[len(NOTES_BEGIN) + 1 :].partition(f"\n{NOTES_END}\n\n")
    return (notes, text) if end else ("", content)


def _one_line(title: str) -> str:
    return _inside(" ".join(title.split()))


def _inside(text: str) -> str:
    """Text that cannot end the block it stands in."""
    return (
        text.strip().replace(NOTES_END, NOTES_END.strip("[]")).replace(NOTES_BEGIN, NOTES_BEGIN.strip("[]"))
    )


def build(system: str, turns: Sequence[Turn]) -> list[ChatMessage]:
    """All of a conversation as messages; turns of one role in a row become one, since templates insist."""
    messages: list[ChatMessage] = [{"role": "system", "content": system}]
    messages += [_message(turn) for turn in _joined(turns)]
    return messages


def fit(
    system: str,
    turns: Sequence[Turn],
    count_tokens: Callable[[str], int],
    *,
    window: int,
    reserve: int,
    summary: str | None = None,
) -> list[ChatMessage]:
    """The messages that leave `reserve` of the window's tokens for the answer.

    Dropped in this order, only as far as needed: the oldest turns (their notes pass on to the next user
    turn that stays, and `summary`, where there is one, goes in front of it as a note), then notes, the
    oldest first, then the summary. Never dropped: the system prompt, the last user message and what follows
    it. `count_tokens` is asked for the content of one message at a time. Raises `PromptTooLong` where even
    the least does not fit.
    """
    room = window - reserve
    whole = build(system, turns)
    counted: dict[str, int] = {}

    def cost(message: ChatMessage) -> int:
        content = message["content"]
        if content not in counted:
            counted[content] = count_tokens(content) + TOKENS_PER_MESSAGE
        return counted[content]

    if sum(map(cost, whole)) <= room:
        return whole
    for kept in _shorter(_joined(turns), language_of(system), summary):
        messages = [whole[0], *map(_message, kept)]
        if sum(map(cost, messages)) <= room:
            return messages
    raise PromptTooLong


def _shorter(turns: Sequence[Turn], language: Language | None, summary: str | None) -> list[list[Turn]]:
    """Ever shorter forms of a conversation, in the order in which they are to be tried."""
    users = [index for index, turn in enumerate(turns) if turn.role == "user"]
    if not users:
        return [list(turns)]
    code = language.code if language else "en"
    head = (ContextNote("Earlier in this conversation", code, summary),) if summary else ()
    forms = []
    for start in users[1:]:
        passed_on = tuple(note for turn in turns[:start] for note in turn.context)
        first = replace(turns[start], context=(*head, *passed_on, *turns[start].context))
        forms.append([first, *turns[start + 1 :]])
    last = turns[users[-1]]
    notes = tuple(note for turn in turns for note in turn.context)
    rest = list(turns[users[-1] + 1 :])
    forms += [
        [replace(last, context=(*head, *notes[dropped:])), *rest] for dropped in range(1, len(notes) + 1)
    ]
    return [*forms, [replace(last, context=()), *rest]]


def _joined(turns: Sequence[Turn]) -> list[Turn]:
    joined: list[Turn] = []
    for turn in turns:
        if joined and joined[-1].role == turn.role:
            before = joined[-1]
            texts = [text for text in (before.text, turn.text) if text]
            joined[-1] = Turn(turn.role, "\n\n".join(texts), (*before.context, *turn.context))
        else:
            joined.append(turn)
    return joined


def _message(turn: Turn) -> ChatMessage:
    content = user_turn(turn.text, turn.context) if turn.role == "user" else turn.text
    return {"role": turn.role, "content": content}


def estimate_tokens(text: str) -> int:
    """At least as many tokens as Llama 3's or Gemma 3's tokenizer makes of running text in any of the forty.

    For servers that cannot be asked. Text made to be costly can exceed it.
    """
    ascii_characters = sum(character.isascii() for character in text)
    others = sum(_letter_cost(ord(character)) for character in text if not character.isascii())
    return math.ceil(0.65 * ascii_characters + others) + 1


def _letter_cost(code_point: int) -> float:
    return next((cost for first, end, cost in _COSTLY if first <= code_point < end), 1.0)


def break_special_tokens(text: str) -> str:
    """Text in which nothing looks like a special token of any common chat template.

    For workers that are not ours and may parse what people type: a blank goes into `<|eot_id|>`,
    `<end_of_turn>`, `[INST]`, `</s>` and the like. Other text comes back as it is.
    """
    return _SPECIAL.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)

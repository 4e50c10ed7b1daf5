"""The messages of a chat: what the model is told, for training and for serving alike.

Here are the system prompt and the marked blocks that carry the story bible and notes about a work. What is
dropped where it does not fit is `model.fitting`'s business, how messages become tokens `model.prompt`'s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypedDict

from model.languages import Language, find_language

Role = Literal["system", "user", "assistant"]

SYSTEM_PROMPT = """\
You are FanFabler, a partner for writing fan fiction. Help with ideas, scenes, dialogue, characters, plot \
and craft. Be concrete and vivid. The story is rated teen: keep to what is suitable for teenagers. Nothing \
sexual about minors, ever.
Answer in the language of the user's message. Build on the conversation and on the notes that stand in front \
of some messages. Get the facts of the original work right; where the notes are about something else or say \
nothing, say so in half a sentence and go on from what the user gave.
Where facts about a work would help and there are no notes about it yet, end your answer with a blank line \
and two more lines, and nothing after them:
>>> search term
>>> language code
The search term is the title to look up in the Wikipedia of that language."""

Rating = Literal["general", "teen", "mature"]
_SUITABLE: dict[Rating, str] = {
    "general": "The story is rated general: keep to what is suitable for readers of any age.",
    "teen": "The story is rated teen: keep to what is suitable for teenagers.",
    "mature": "The story is rated mature: adult themes may be told frankly, among adults.",
}

NOTES_BEGIN = "[Notes]"
NOTES_END = "[End of notes]"
BIBLE_BEGIN = "[Story bible: this holds throughout the story]"
BIBLE_END = "[End of story bible]"
# With all brackets around them: were only the innermost taken away, the next would make a mark again.
_MARKS = re.compile(
    r"(?<!\[)\[+(?P<words>"
    + "|".join(re.escape(mark[1:-1]) for mark in (NOTES_BEGIN, NOTES_END, BIBLE_BEGIN, BIBLE_END))
    + r")\]+"
)

SUMMARY_TITLE = "Earlier in this conversation"
"""The title of the note that stands for turns that are not told any more."""

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
    """One message of a conversation. A user's may have notes, found before it was answered, and the first one the
    story bible: what members pinned, each a fact or a passage."""

    role: Literal["user", "assistant"]
    text: str
    context: tuple[ContextNote, ...] = ()
    bible: tuple[str, ...] = ()


def system_prompt(language: Language, rating: Rating = "teen") -> str:
    """The system prompt of a conversation in this language. Training knows the default rating only."""
    prompt = SYSTEM_PROMPT.replace(_SUITABLE["teen"], _SUITABLE[rating])
    return f"{prompt}\nLanguage of this conversation: {language.english_name} ({language.code})"


def language_of(system: str) -> Language | None:
    """The language that a text of `system_prompt` names in its last line; None for any other text."""
    line = _LANGUAGE_LINE.search(system)
    return find_language(line["code"]) if line else None


def insisting(turns: Sequence[Turn], language: Language) -> list[Turn]:
    """The turns with the last user's saying once more, and beyond doubt, which language the answer is to be in."""
    asked = list(turns)
    for index in reversed(range(len(asked))):
        if asked[index].role == "user":
            name = f"{language.english_name} ({language.own_name})"
            demand = f"[Write the whole answer in {name} and in no other language.]"
            asked[index] = replace(asked[index], text=f"{asked[index].text}\n\n{demand}")
            break
    return asked


def user_turn(text: str, context: Sequence[ContextNote] = (), bible: Sequence[str] = ()) -> str:
    """The content of a user message: the story bible and the notes, each in one marked block, then what the user
    wrote, with blank lines between."""
    blocks = []
    if bible:
        blocks.append(f"{BIBLE_BEGIN}\n{bible_text(bible)}\n{BIBLE_END}")
    if context:
        notes = "\n\n".join(map(note_text, context))
        blocks.append(f"{NOTES_BEGIN}\n{notes}\n{NOTES_END}")
    return "\n\n".join([*blocks, text])


def bible_text(bible: Sequence[str]) -> str:
    """What stands in the block of the story bible."""
    return "\n".join(f"- {_inside(pin)}" for pin in bible)


def note_text(note: ContextNote) -> str:
    """What stands in the block of notes for one of them."""
    return f"{_one_line(note.title)} ({note.language})\n{_inside(note.text)}"


def split_user_turn(content: str) -> tuple[str, str]:
    """What stands in the blocks, and the text, that `user_turn` joined; no blocks are an empty string."""
    inside = []
    for begin, end in ((BIBLE_BEGIN, BIBLE_END), (NOTES_BEGIN, NOTES_END)):
        if content.startswith(f"{begin}\n"):
            block, found, text = content[len(begin) + 1 :].partition(f"\n{end}\n\n")
            if found:
                inside.append(block)
                content = text
    return "\n\n".join(inside), content


def _one_line(title: str) -> str:
    return _inside(" ".join(title.split()))


def _inside(text: str) -> str:
    """Text that cannot end the block it stands in, nor begin another."""
    return _MARKS.sub(lambda mark: mark["words"], text.strip())


def build(system: str, turns: Sequence[Turn]) -> list[ChatMessage]:
    """All of a conversation as messages; turns of one role in a row become one, since templates insist."""
    messages: list[ChatMessage] = [{"role": "system", "content": system}]
    messages += [as_message(turn) for turn in joined(turns)]
    return messages


def joined(turns: Sequence[Turn]) -> list[Turn]:
    """The turns, those of one role in a row taken together."""
    together: list[Turn] = []
    for turn in turns:
        if together and together[-1].role == turn.role:
            before = together[-1]
            texts = [text for text in (before.text, turn.text) if text]
            context, bible = (*before.context, *turn.context), (*before.bible, *turn.bible)
            together[-1] = Turn(turn.role, "\n\n".join(texts), context, bible)
        else:
            together.append(turn)
    return together


def as_message(turn: Turn) -> ChatMessage:
    """One turn as the message that it becomes."""
    content = user_turn(turn.text, turn.context, turn.bible) if turn.role == "user" else turn.text
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

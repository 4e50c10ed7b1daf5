"""Talks that are one string: special tokens of chat templates, and plain role markers.

Reads Llama 3 (right, and as the article wrote it, with `<|begin_of_text|>` where `<|eot_id|>` belongs), Llama 2 and
Mistral, ChatML, Gemma, Phi and Zephyr, and `### Human:`, `USER:` and the like.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant", "context"]


@dataclass(frozen=True, slots=True)
class Said:
    """A turn of a talk from elsewhere; `context` is what a search or a tool brought."""

    role: Role
    text: str


_ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer", "instructions"), "system"),
    **dict.fromkeys(("user", "human", "prompter", "instruction", "question", "input", "customer", "q"), "user"),
    **dict.fromkeys(
        ("assistant", "gpt", "model", "bot", "chatbot", "ai", "response", "answer", "output", "chatgpt", "a"),
        "assistant",
    ),
    **dict.fromkeys(
        ("context", "tool", "ipython", "function", "observation", "environment", "wikipedia", "background", "snippet"),
        "context",
    ),
}  # fmt: skip

_HEADERS = (
    re.compile(r"<\|start_header_id\|>\s*(?P<role>[\w-]+)\s*<\|end_header_id\|>"),
    re.compile(r"<\|im_start\|>[ \t]*(?P<role>\w+)"),
    re.compile(r"<start_of_turn>[ \t]*(?P<role>\w+)"),
    re.compile(r"<\|(?P<role>system|user|assistant)\|>"),
)
_PLAIN_HEADER = re.compile(
    r"^[ \t]*(?:\#{2,3}[ \t]*|\*\*|\[)?"
    r"(?P<role>system|user|human|instruction|input|question|assistant|gpt|ai|bot|response|answer|output|context)"
    r"(?:\*\*[ \t]*:|:[ \t]*\*\*|\][ \t]*:?|[ \t]*:)",
    re.IGNORECASE | re.MULTILINE,
)
_TOKENS = re.compile(
    r"<\|(?:begin_of_text|end_of_text|eot_id|eom_id|finetune_right_pad_id|python_tag|im_end|im_sep|end|endoftext"
    r"|reserved_special_token_\d+)\|>|<end_of_turn>|<bos>|<eos>|<pad>|</?s>"
)


def role_of(name: str) -> Role | None:
    """What a role's name means, in any of the common forms; None where it means none."""
    return _ROLES.get(name.strip().casefold())


def is_marked_up(text: str) -> bool:
    """Whether special tokens of some chat template divide the text."""
    return "[/INST]" in text or any(header.search(text) for header in _HEADERS)


def read_markup(text: str) -> list[Said]:
    """The turns of a text with special tokens; an empty list where there are none."""
    if "[/INST]" in text:
        return _read_llama2(text)
    return next((_between(text, header) for header in _HEADERS if header.search(text)), [])


def read_plain(text: str) -> list[Said]:
    """The turns of a text with `### Human:` or `USER:` at lines' beginnings; empty without both sides of a talk."""
    turns = _between(text, _PLAIN_HEADER)
    return turns if {"user", "assistant"} <= {turn.role for turn in turns} else []


def _between(text: str, header: re.Pattern[str]) -> list[Said]:
    heads = list(header.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)][: len(heads)]
    turns = []
    for head, end in zip(heads, ends, strict=True):
        role = role_of(head["role"])
        content = _TOKENS.sub("", text[head.end() : end]).strip()
        if role and content:
            turns.append(Said(role, content))
    return turns


def _read_llama2(text: str) -> list[Said]:
    """Part by part: a pattern for the whole would look for the end of each beginning anew."""
    turns = []
    open_ = ""
    for part in _TOKENS.sub("", text).split("[INST]")[1:]:
        said, closed, answer = part.partition("[/INST]")
        if not closed:
            open_ += f"{part}[INST]"
            continue
        said, open_ = open_ + said, ""
        before, _, inside = said.partition("<<SYS>>")
        system, closed, after = inside.partition("<</SYS>>")
        if closed:
            turns.append(Said("system", system.strip()))
            said = before + after
        turns += [Said("user", said.strip()), Said("assistant", answer.strip())]
    return [turn for turn in turns if turn.text]

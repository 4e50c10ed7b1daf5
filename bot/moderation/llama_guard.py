"""Moderation by a Llama Guard behind a server that speaks OpenAI's chat API (vLLM, Ollama, llama.cpp …).

The server's chat template makes of the conversation what Llama Guard was trained on: the list of categories, the
conversation between its marks, and the question about its last message. The answer is `safe`, or `unsafe` and a second
line such as `S1,S4`.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from bot.database.tables import Direction
from bot.moderation.categories import LLAMA_GUARD, Category
from bot.moderation.service import ModerationAway, Passage, pieces
from model.conversation import break_special_tokens

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionMessageParam

# Its window is 8,192 tokens, and in the costliest script a letter is two.
_PIECE = 1500
_LOOK_BACK = 800
_QUESTION = 800
_AT_ONCE = 4
# «unsafe», a line break, and fourteen codes at most.
_ANSWER_TOKENS = 48
_CODE = re.compile(r"\bS(?:1[0-4]|[1-9])\b")
# The marks of its prompt, which text from people must not close.
_MARK = re.compile(r"<(?=(?:BEGIN|END) (?:UNSAFE CONTENT CATEGORIES|CONVERSATION)>)", re.IGNORECASE)


class LlamaGuard:
    """A service over HTTP; it judges the last message of a conversation."""

    def __init__(self, client: AsyncOpenAI, model: str) -> None:
        self._client = client
        self._model = model
        self._free = asyncio.Semaphore(_AT_ONCE)

    async def judge(self, passage: Passage) -> frozenset[Category]:
        """The pieces of the passage, a few at a time.

        Raises:
            ModerationAway: it could not be asked, or said something else than it should.
        """
        conversations = [_conversation(passage, piece) for piece in pieces(passage.text, _PIECE)]
        found = await asyncio.gather(*(self._ask(conversation) for conversation in conversations))
        return frozenset().union(*found)

    async def _ask(self, messages: list[ChatCompletionMessageParam]) -> frozenset[Category]:
        import openai

        try:
            async with self._free:
                answer = await self._client.chat.completions.create(
                    model=self._model, messages=messages, max_tokens=_ANSWER_TOKENS, temperature=0
                )
        except openai.OpenAIError as error:
            raise ModerationAway(f"{type(error).__name__}: {error}"[:300]) from error
        return read_answer(answer.choices[0].message.content or "" if answer.choices else "")


def _conversation(passage: Passage, piece: str) -> list[ChatCompletionMessageParam]:
    if passage.direction is Direction.INPUT:
        return [{"role": "user", "content": _harmless(piece)}]
    # The templates want a conversation that begins with a member's message.
    question = _harmless(passage.question[-_QUESTION:]).strip() or "…"
    said = _harmless(passage.before[-_LOOK_BACK:] + piece)
    return [{"role": "user", "content": question}, {"role": "assistant", "content": said}]


def _harmless(text: str) -> str:
    """Text that cannot end the part of the prompt that it stands in."""
    return _MARK.sub("< ", break_special_tokens(text))


def read_answer(text: str) -> frozenset[Category]:
    """What Llama Guard said.

    Raises:
        ModerationAway: it is no answer of a Llama Guard's.
    """
    lines = text.strip().splitlines() or [""]
    verdict = lines[0].strip().casefold()
    if verdict == "safe":
        return frozenset()
    if not verdict.startswith("unsafe"):
        raise ModerationAway("the moderation service did not answer as a Llama Guard does")
    codes = _CODE.findall(text.upper())
    return frozenset(LLAMA_GUARD[code] for code in codes) or frozenset({Category.OTHER})

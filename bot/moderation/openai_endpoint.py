"""Moderation by OpenAI's `/v1/moderations`, or by any server that has the same endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.moderation.categories import OPENAI, Category
from bot.moderation.service import ModerationAway, Passage, pieces

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types import Moderation

DEFAULT_MODEL = "omni-moderation-latest"
_PIECE = 6000
# What stands before a passage is judged with it, as far back as this, since a sentence alone may look harmless.
_LOOK_BACK = 600


class OpenAIModeration:
    """A service over HTTP; it reads plain texts, not conversations."""

    def __init__(self, client: AsyncOpenAI, model: str | None = None) -> None:
        self._client = client
        self._model = model or DEFAULT_MODEL

    async def judge(self, passage: Passage) -> frozenset[Category]:
        """All pieces of the passage in one request.

        Raises:
            ModerationAway: it could not be asked.
        """
        text = passage.before[-_LOOK_BACK:] + passage.text
        import openai

        try:
            answer = await self._client.moderations.create(
                input=list(pieces(text, _PIECE)), model=self._model
            )
        except openai.OpenAIError as error:
            raise ModerationAway(f"{type(error).__name__}: {error}"[:300]) from error
        if not answer.results:
            raise ModerationAway("the moderation service sent no result")
        return frozenset().union(*(_found(result) for result in answer.results))


def _found(result: Moderation) -> set[Category]:
    """The categories of one result. A flag without a category that we know is a flag all the same."""
    named = result.categories.model_dump(by_alias=True)
    found = {OPENAI.get(name, Category.OTHER) for name, flagged in named.items() if flagged}
    return found or ({Category.OTHER} if result.flagged else set())

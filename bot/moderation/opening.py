"""Opening the moderation service that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.moderation.llama_guard import LlamaGuard
from bot.moderation.openai_endpoint import OpenAIModeration
from bot.moderation.service import ModerationService
from bot.settings import Settings

# Seconds: a member waits for it before anything of theirs is taken.
_CONNECT, _ANSWER = 3.0, 10.0


@asynccontextmanager
async def open_moderation(settings: Settings) -> AsyncIterator[ModerationService | None]:
    """The service at MODERATION_URL, or None. A model with «guard» in its name is asked as a Llama Guard is, in a chat;
    any other, or none, by the moderation endpoint."""
    if settings.moderation_url is None:
        yield None
        return
    from openai import AsyncOpenAI, Timeout

    token = settings.moderation_token.get_secret_value() if settings.moderation_token else "none"
    model = settings.moderation_model
    timeout = Timeout(_ANSWER, connect=_CONNECT)
    async with AsyncOpenAI(
        base_url=settings.moderation_url, api_key=token, max_retries=1, timeout=timeout
    ) as client:
        if model is not None and "guard" in model.casefold():
            yield LlamaGuard(client, model)
        else:
            yield OpenAIModeration(client, model)

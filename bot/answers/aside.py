"""A short question put to the model aside from any answer: a title, a summary, details for an export. Nothing of it is
shown as it comes, and whoever asks can do without."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

from bot import request_ids
from bot.errors import BotError, WorkerError
from bot.worker_client import Generation, Worker
from model.conversation import ChatMessage, break_special_tokens
from model.lookup_tag import parse_reply

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 60.0
"""How long the whole of it may take."""


class AsideFailed(BotError):
    """The model gave no answer to a question that was put aside."""


async def ask_aside(
    worker: Worker,
    system: str,
    text: str,
    *,
    max_tokens: int,
    patience: float = PATIENCE_SECONDS,
    purpose: str = "aside",
) -> str:
    """The model's answer to one message, stripped, without a look-up tag; never empty.

    Some prompt formats show the model nothing of `system` but the language in its last line
    (`model.conversation.system_prompt`), so what is wanted belongs into `text` too. `text` and the answer have to fit
    the worker's window; `purpose` is for the worker's log. Cancelling it, or its running out of `patience` (seconds),
    frees the worker's slot.

    Raises:
        AsideFailed: the worker is away, busy or broken, too slow, or had nothing to say. Nothing else.
    """
    try:
        async with asyncio.timeout(patience):
            answer = await _ask(worker, system, text, max_tokens, purpose)
    except TimeoutError as error:
        raise AsideFailed(f"{purpose}: too slow") from error
    except WorkerError as error:
        raise AsideFailed(f"{purpose}: {error}") from error
    except AsideFailed:
        raise
    except Exception as error:  # nobody who asks aside is prepared for anything else
        log.exception("a question put aside (%s) failed", purpose)
        raise AsideFailed(f"{purpose}: {type(error).__name__}") from error
    return answer


async def _ask(worker: Worker, system: str, text: str, max_tokens: int, purpose: str) -> str:
    info = await worker.describe()
    messages: list[ChatMessage] = [{"role": "system", "content": system}, {"role": "user", "content": text}]
    if not info.ours:
        messages = [{"role": m["role"], "content": break_special_tokens(m["content"])} for m in messages]
    generation = Generation(messages, max_tokens, request_id=request_ids.aside(purpose))
    pieces: list[str] = []
    async with aclosing(worker.write(generation)) as stream:
        async for piece in stream:
            pieces.append(piece.text)
    answer = parse_reply("".join(pieces), "en").text.strip()
    if not answer:
        raise AsideFailed(f"{purpose}: the model had nothing to say")
    return answer

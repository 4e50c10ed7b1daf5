"""The prompt of an answer, from the rows of its branch. The texts themselves are `model.conversation`'s; here is
only what the bot knows: which look-up stands before which turn, who said what, and what the worker can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.database.tables import CanonNote, Message, Role
from bot.worker_client import Worker, WorkerInfo
from model.conversation import (
    TOKENS_PER_MESSAGE,
    ChatMessage,
    ContextNote,
    Turn,
    break_special_tokens,
    build,
    estimate_tokens,
    fit,
    system_prompt,
)
from model.errors import PromptTooLong
from model.languages import LANGUAGES
from model.lookup_tag import Lookup, Reply, format_reply

_FITTING_ROUNDS = 6


def turns_of(path: Sequence[Message], notes: Mapping[int, Sequence[CanonNote]]) -> list[Turn]:
    """The turns of a branch, root first.

    A look-up that an answer asked for stands before the next member's message; one found for a member's message
    itself (the model had nothing but the tag to say) stands before that.
    """
    several = len({m.author_id for m in path if m.role == Role.USER}) > 1
    turns: list[Turn] = []
    pending: list[ContextNote] = []
    for message in path:
        pending += [ContextNote(n.title, n.language, n.extract) for n in notes.get(message.id, ())]
        if message.role == Role.USER:
            turns.append(Turn("user", _said(message, named=several), tuple(pending)))
            pending = []
        elif message.content or message.lookup_term:
            turns.append(Turn("assistant", as_trained(message)))
    return turns


def _said(message: Message, *, named: bool) -> str:
    """A member's words; with their name in front where several write in the thread."""
    return f"{message.author_name}: {message.content}" if named and message.author_name else message.content


def as_trained(answer: Message) -> str:
    """An answer as the model said it: with the look-up tag that people were not shown."""
    if answer.lookup_term is None or answer.lookup_language is None:
        return answer.content
    return format_reply(Reply(answer.content, Lookup(answer.lookup_term, answer.lookup_language)))


async def fitted(worker: Worker, language: str, turns: Sequence[Turn], reserve: int) -> list[ChatMessage]:
    """The messages, cut to the worker's window with `reserve` tokens left for the answer.

    The worker counts, since only it knows its tokens and what its prompt format adds; what is to be cut is chosen
    by estimates scaled to its count, with less room each time until the worker says that it fits.

    Raises:
        model.errors.PromptTooLong: the last message alone does not fit.
        WorkerError: the worker could not be asked.
    """
    info = await worker.describe()
    system = system_prompt(LANGUAGES[language])
    messages = _for_worker(info, build(system, turns))
    counted = await worker.count_tokens(messages)
    scale = counted / sum(estimate_tokens(m["content"]) + TOKENS_PER_MESSAGE for m in messages)

    def scaled(text: str) -> int:
        return round(estimate_tokens(text) * scale)

    slack = 0
    for _ in range(_FITTING_ROUNDS):
        excess = counted - (info.window - reserve)
        if excess <= 0:
            return messages
        fitting = fit(system, turns, scaled, window=info.window - slack, reserve=reserve)
        messages = _for_worker(info, fitting)
        counted = await worker.count_tokens(messages)
        slack += max(1, counted - (info.window - reserve))
    raise PromptTooLong


def _for_worker(info: WorkerInfo, messages: list[ChatMessage]) -> list[ChatMessage]:
    """For a worker that is not ours, text from people is kept from looking like special tokens."""
    if info.ours:
        return messages
    return [{"role": m["role"], "content": break_special_tokens(m["content"])} for m in messages]

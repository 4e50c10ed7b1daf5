"""The prompt of an answer, from the rows of its branch. The texts themselves are `model.conversation`'s, and what is
left out is decided in `model.fitting`; here is only what the bot knows: which look-up stands before which turn, who
said what, what is remembered, and what the worker can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.conversations.memory import Remembered, is_told
from bot.conversations.speakers import speakers
from bot.database.tables import CanonNote, Conversation, Message, Role
from bot.worker_client import Worker, WorkerInfo
from model.conversation import (
    TOKENS_PER_MESSAGE,
    ChatMessage,
    ContextNote,
    Turn,
    break_special_tokens,
    estimate_tokens,
    joined,
    system_prompt,
)
from model.errors import PromptTooLong
from model.fitting import Memory, Prompt, fit, passed_on
from model.languages import LANGUAGES
from model.lookup_tag import Lookup, Reply, format_reply

_FITTING_ROUNDS = 6
# More characters than this make a token in no language: what is longer is cut before the worker is asked to count it.
_MOST_CHARACTERS = 8


@dataclass(frozen=True)
class Fitted:
    """A prompt that leaves room for an answer: `tokens` by the worker's count, of `wanted` that all of the branch would
    have taken. `reserve` of the `window` is the answer's."""

    prompt: Prompt
    messages: list[ChatMessage]
    tokens: int
    wanted: int
    window: int
    reserve: int

    @property
    def room(self) -> int:
        """What the prompt may have of the window."""
        return self.window - self.reserve


def whole_prompt(
    conversation: Conversation,
    path: Sequence[Message],
    notes: Mapping[int, Sequence[CanonNote]],
    remembered: Remembered,
) -> Prompt:
    """All that there is to tell about a branch, whether or not it fits: what the summary covers is left out."""
    summary = remembered.summary
    turns = turns_of(path, notes, after=summary.message_id if summary else None)
    memory = Memory(tuple(pin.text for pin in remembered.pins), summary.text if summary else None)
    system = system_prompt(LANGUAGES[conversation.language], conversation.rating.value)
    return Prompt(system, tuple(joined(turns)), memory)


def turns_of(
    path: Sequence[Message], notes: Mapping[int, Sequence[CanonNote]], *, after: int | None = None
) -> list[Turn]:
    """The turns of a branch, root first; with `after`, those behind that message.

    A look-up that an answer asked for stands before the next member's message; one found for a member's message
    itself (the model had nothing but the tag to say) stands before that. The newest look-ups outlive the turns that
    are left out.
    """
    names = _names(path)
    turns: list[Turn] = []
    pending: list[ContextNote] = []
    left_out = after is not None
    for message in path:
        pending += [ContextNote(n.title, n.language, n.extract) for n in notes.get(message.id, ())]
        if left_out:
            left_out = message.id != after
            pending = list(passed_on(pending))
        elif not is_told(message):
            continue
        elif message.role == Role.USER:
            turns.append(Turn("user", _said(message, names), tuple(pending)))
            pending = []
        else:
            turns.append(Turn("assistant", as_trained(message)))
    return turns


def plain_turns(messages: Sequence[Message], *, among: Sequence[Message]) -> list[Turn]:
    """What was said, without look-ups and their tags; with names where several members write in `among`."""
    names = _names(among)
    return [Turn(m.role.value, _said(m, names)) for m in messages if is_told(m) and m.content.strip()]


def _names(path: Sequence[Message]) -> dict[int, str]:
    """What those who speak are called, where there are several."""
    several = len({m.author_id for m in path if m.role == Role.USER}) > 1
    return speakers(path) if several else {}


def _said(message: Message, names: Mapping[int, str]) -> str:
    """What was said; a member's words with their name in front, where there is one."""
    name = names.get(message.author_id) if message.author_id is not None else None
    return f"{name}: {message.content}" if name and message.author_name else message.content


def as_trained(answer: Message) -> str:
    """An answer as the model said it: with the look-up tag that people were not shown."""
    if answer.lookup_term is None or answer.lookup_language is None:
        return answer.content
    return format_reply(Reply(answer.content, Lookup(answer.lookup_term, answer.lookup_language)))


def answer_reserve(info: WorkerInfo, max_tokens: int) -> int:
    """How much of a worker's window is kept for an answer of at most so many tokens."""
    return min(max_tokens, info.window // 2)


async def fitted(worker: Worker, whole: Prompt, reserve: int) -> Fitted:
    """The prompt, cut to the worker's window with `reserve` tokens left for the answer.

    The worker counts, since only it knows its tokens and what its prompt format adds; what is to be cut is chosen
    by estimates scaled to its count, with less room each time until the worker says that it fits.

    Raises:
        model.errors.PromptTooLong: the last message alone does not fit.
        WorkerError: the worker could not be asked.
    """
    info = await worker.describe()
    prompt = fit(
        whole.system,
        whole.turns,
        lambda text: len(text) // _MOST_CHARACTERS,
        window=info.window,
        reserve=reserve,
        memory=whole.memory,
    )
    messages = for_worker(info, prompt.messages())
    wanted = counted = await worker.count_tokens(messages)
    scale = counted / sum(estimate_tokens(m["content"]) + TOKENS_PER_MESSAGE for m in messages)

    def scaled(text: str) -> int:
        return round(estimate_tokens(text) * scale)

    slack = 0
    for _ in range(_FITTING_ROUNDS):
        excess = counted - (info.window - reserve)
        if excess <= 0:
            return Fitted(prompt, messages, counted, wanted, info.window, reserve)
        prompt = fit(
            whole.system,
            whole.turns,
            scaled,
            window=info.window - slack,
            reserve=reserve,
            memory=whole.memory,
        )
        messages = for_worker(info, prompt.messages())
        counted = await worker.count_tokens(messages)
        slack += max(1, counted - (info.window - reserve))
    raise PromptTooLong


def for_worker(info: WorkerInfo, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """For a worker that is not ours, text from people is kept from looking like special tokens."""
    if info.ours:
        return list(messages)
    return [{"role": m["role"], "content": break_special_tokens(m["content"])} for m in messages]


def with_turns(prompt: Prompt, turns: Sequence[Turn]) -> Prompt:
    """The prompt with further turns at its end."""
    return replace(prompt, turns=tuple(joined([*prompt.turns, *turns])))

"""What the model would be told if somebody wrote in a story now: every part of the prompt, with its tokens."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Sequence
from dataclasses import dataclass

from bot.answers.prompt import Fitted, answer_reserve, fitted, whole_prompt
from bot.conversations.errors import NoStoryHere
from bot.conversations.memory import MemoryRepository, Remembered, is_told
from bot.conversations.repository import ConversationRepository
from bot.database.connection import Database
from bot.database.tables import Message
from bot.worker_client import Worker
from model.conversation import ChatMessage, Turn, bible_text, note_text
from model.fitting import Prompt, summary_note

# Counts that are under way at once.
_AT_ONCE = 4
_SOMETHING = "."


class Kind(enum.Enum):
    """What a part of a prompt is, in the order in which they are told."""

    SYSTEM = enum.auto()
    BIBLE = enum.auto()
    SUMMARY = enum.auto()
    CANON = enum.auto()
    TURN = enum.auto()


@dataclass(frozen=True)
class Part:
    """A part of the prompt: `title` is a page's, or who says it (`user`, `assistant`)."""

    kind: Kind
    title: str
    text: str
    tokens: int = 0


@dataclass(frozen=True)
class Insight:
    """A prompt taken apart. Of its `tokens`, `frame` are what the model's format adds to the parts; `summed_up`
    messages are told by the summary, for `dropped` turns there was no room. `counted` says that the worker counted."""

    parts: tuple[Part, ...]
    messages: tuple[ChatMessage, ...]
    tokens: int
    frame: int
    window: int
    reserve: int
    summed_up: int
    dropped: int
    counted: bool

    def of(self, kind: Kind) -> tuple[Part, ...]:
        """The parts of one kind."""
        return tuple(part for part in self.parts if part.kind is kind)

    def tokens_of(self, kind: Kind) -> int:
        """What they take together."""
        return sum(part.tokens for part in self.of(kind))


class PromptInsight:
    """Looks at prompts. `max_answer_tokens` is what answers may have, and so what prompts leave."""

    def __init__(self, database: Database, worker: Worker, *, max_answer_tokens: int) -> None:
        self._database = database
        self._worker = worker
        self._max_answer_tokens = max_answer_tokens

    async def look(self, thread_id: int) -> Insight:
        """The prompt of a thread's active branch.

        Raises:
            NoStoryHere: none is written there. WorkerError: the worker could not be asked.
            model.errors.PromptTooLong: the last message alone is too long.
        """
        async with self._database.reading() as session:
            repository = ConversationRepository(session)
            conversation = await repository.by_thread(thread_id)
            if conversation is None:
                raise NoStoryHere
            path = await repository.branch(conversation.active_leaf_id)
            notes = await repository.notes(conversation.id)
            remembered = await MemoryRepository(session).of(conversation.id, path)
        info = await self._worker.describe()
        whole = whole_prompt(conversation, path, notes, remembered)
        prompt = await fitted(self._worker, whole, answer_reserve(info, self._max_answer_tokens))
        parts = await self._counted(_parts(prompt.prompt))
        return _insight(prompt, parts, _summed_up(path, remembered), counted=info.counts)

    async def _counted(self, parts: Sequence[Part]) -> tuple[Part, ...]:
        """The parts with their tokens: what each adds to a message."""
        slots = asyncio.Semaphore(_AT_ONCE)
        empty = await self._worker.count_tokens([{"role": "user", "content": _SOMETHING}]) - 1

        async def count(part: Part) -> Part:
            async with slots:
                tokens = await self._worker.count_tokens([{"role": "user", "content": part.text}])
            return Part(part.kind, part.title, part.text, max(0, tokens - empty))

        return tuple(await asyncio.gather(*map(count, parts)))


def _parts(prompt: Prompt) -> list[Part]:
    parts = [Part(Kind.SYSTEM, "system", prompt.system)]
    parts += [Part(Kind.BIBLE, "bible", bible_text([pin])) for pin in prompt.memory.bible]
    if prompt.memory.summary:
        note = summary_note(prompt.memory.summary, prompt.system)
        parts.append(Part(Kind.SUMMARY, note.title, note_text(note)))
    parts += [Part(Kind.CANON, note.title, note_text(note)) for turn in prompt.turns for note in turn.context]
    return parts + [_turn(turn) for turn in prompt.turns if turn.text]


def _turn(turn: Turn) -> Part:
    return Part(Kind.TURN, turn.role, turn.text)


def _summed_up(path: Sequence[Message], remembered: Remembered) -> int:
    """How many messages the summary stands for."""
    if remembered.summary is None:
        return 0
    covered = 0
    for message in path:
        covered += is_told(message)
        if message.id == remembered.summary.message_id:
            break
    return covered


def _insight(prompt: Fitted, parts: tuple[Part, ...], summed_up: int, *, counted: bool) -> Insight:
    told = prompt.prompt.memory.summary is not None
    return Insight(
        parts=parts,
        messages=tuple(prompt.messages),
        tokens=prompt.tokens,
        frame=max(0, prompt.tokens - sum(part.tokens for part in parts)),
        window=prompt.window,
        reserve=prompt.reserve,
        summed_up=summed_up if told else 0,
        dropped=prompt.prompt.dropped + (0 if told else summed_up),
        counted=counted,
    )

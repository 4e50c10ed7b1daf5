"""Exports of the stories: reads a branch, has the model fill in what an archive wants to know about it, and keeps what
members changed of that. Knows no Discord: ids in, files out."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.answers.aside import AsideFailed, ask_aside
from bot.conversations.errors import NoStoryHere
from bot.conversations.repository import ConversationRepository
from bot.database.connection import Database
from bot.database.tables import CanonNote, Conversation, Message
from bot.errors import WorkerError
from bot.export.asking import ANSWER_TOKENS, question, read_answer
from bot.export.composing import compose
from bot.export.details import MADE_WITH_AI, ORIGINAL_WORK, Details
from bot.export.errors import NothingToExport
from bot.export.files import File, Format, render
from bot.export.manuscript import Manuscript
from bot.moderation.guard import Guard, Spot
from bot.worker_client import Worker
from model.conversation import estimate_tokens, system_prompt
from model.languages import LANGUAGES

log = logging.getLogger(__name__)

# How long somebody who wants their file waits for the model's idea of a summary.
_PATIENCE = 30.0
# As much of a story as says what it is about.
_STORY_TOKENS = 3000
_MARGIN = 64


@dataclass(frozen=True)
class Selection:
    """What is to be exported: the branch that ends in an answer, or the active one, with or without the talk."""

    thread_id: int
    answer_id: int | None = None
    with_talk: bool = False


@dataclass(frozen=True)
class Export:
    """The files, and the story that they tell; `answer_id` is the last turn of its branch."""

    answer_id: int
    manuscript: Manuscript
    files: list[File]


@dataclass(frozen=True)
class _Branch:
    conversation: Conversation
    path: Sequence[Message]
    notes: Mapping[int, Sequence[CanonNote]]


class Exports:
    """Makes exports. `asking` is called before the model is asked, which takes a while."""

    def __init__(self, database: Database, worker: Worker, guard: Guard) -> None:
        self._database = database
        self._worker = worker
        self._guard = guard
        self._asking: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def make(
        self, selection: Selection, format_: Format, asking: Callable[[], Awaitable[None]] | None = None
    ) -> Export:
        """The files of a branch in a format.

        Raises:
            NoStoryHere: no story is, or was, written in this thread. NothingToExport: it has no text yet.
        """
        branch = await self._branch(selection)
        manuscript = await self._manuscript(branch, with_talk=selection.with_talk, asking=asking)
        files = await asyncio.to_thread(render, manuscript, format_)
        return Export(branch.path[-1].id, manuscript, files)

    async def details(self, selection: Selection) -> Details:
        """What an export of this branch says about it now, without asking anybody.

        Raises:
            NoStoryHere, NothingToExport: as `make`.
        """
        return self._details_of(await self._branch(selection))

    @staticmethod
    def _details_of(branch: _Branch) -> Details:
        story = compose(branch.conversation, branch.path, branch.notes, with_talk=False)
        return _effective(story.details, branch.conversation, _digest(_answers_in(story)))

    async def edit(self, selection: Selection, changes: Mapping[str, Any], member_id: int) -> None:
        """Keep what a member wants said about the story; what is as it was stays the model's to fill in.

        Raises:
            NoStoryHere, NothingToExport: as `make`. InputBlocked, ModerationAway: nothing is kept.
        """
        branch = await self._branch(selection)
        before = self._details_of(branch)
        changed = before.with_values(changes).changed_from(before)
        await self._guard.admit(_as_text(changed), Spot.of(branch.conversation, member_id))
        async with self._database.transaction() as session:
            conversation = await ConversationRepository(session).by_thread(selection.thread_id, lock=True)
            if conversation is None:
                raise NoStoryHere
            kept = conversation.export_details or {}
            conversation.export_details = {**kept, "edited": {**kept.get("edited", {}), **changed}}

    async def _branch(self, selection: Selection) -> _Branch:
        async with self._database.transaction() as session:
            repository = ConversationRepository(session)
            conversation = await repository.by_thread(selection.thread_id)
            if conversation is None:
                raise NoStoryHere
            path = await repository.branch(selection.answer_id or conversation.active_leaf_id)
            if not path or path[-1].conversation_id != conversation.id:
                raise NothingToExport
            return _Branch(conversation, path, await repository.notes(conversation.id))

    async def _manuscript(
        self, branch: _Branch, *, with_talk: bool, asking: Callable[[], Awaitable[None]] | None
    ) -> Manuscript:
        conversation = branch.conversation
        manuscript = compose(conversation, branch.path, branch.notes, with_talk=with_talk)
        if not manuscript.passages:
            raise NothingToExport
        answers = _answers_in(manuscript)
        if answers:
            async with self._asking[conversation.id]:
                await self._fill_in(conversation, answers, asking)
            self._asking.pop(conversation.id, None)
        return replace(manuscript, details=_effective(manuscript.details, conversation, _digest(answers)))

    async def _fill_in(
        self, conversation: Conversation, story: str, asking: Callable[[], Awaitable[None]] | None
    ) -> None:
        """See to it that the row has the model's idea of the work, once for each text."""
        digest = _digest(story)
        if (await self._kept(conversation)).get("of") == digest:
            return
        if asking is not None:
            await asking()
        try:
            suggested = await self._ask(conversation, story)
        except (AsideFailed, WorkerError) as error:
            log.info("an export goes without the model's details: %s", error)
            return
        async with self._database.transaction() as session:
            row = await ConversationRepository(session).locked(conversation.id)
            row.export_details = {**(row.export_details or {}), "of": digest, "suggested": suggested}
            conversation.export_details = row.export_details

    async def _kept(self, conversation: Conversation) -> dict[str, Any]:
        """What the row has by now: another export may just have been made."""
        async with self._database.transaction() as session:
            row = await ConversationRepository(session).get(conversation.id)
            conversation.export_details = row.export_details
        return conversation.export_details or {}

    async def _ask(self, conversation: Conversation, story: str) -> dict[str, Any]:
        info = await self._worker.describe()
        language = LANGUAGES[conversation.language]
        system = system_prompt(language, conversation.rating.value)
        form = question("", language, conversation.rating, _STORY_TOKENS)
        taken = estimate_tokens(system) + estimate_tokens(form) + ANSWER_TOKENS + _MARGIN
        room = min(_STORY_TOKENS, info.window - taken)
        if room <= 0:
            raise AsideFailed("the model's window is too small")
        answer = await ask_aside(
            self._worker,
            system,
            question(story, language, conversation.rating, room),
            max_tokens=ANSWER_TOKENS,
            patience=_PATIENCE,
            purpose="export",
        )
        found = read_answer(answer, story, language, conversation.rating)
        spot = Spot.of(conversation, None)
        return found if await self._guard.passes(_as_text(found), spot) else {}


def _as_text(values: Mapping[str, Any]) -> str:
    """What a moderation service is shown of some details."""
    return "\n".join(
        ", ".join(value) if isinstance(value, list | tuple) else str(value) for value in values.values()
    )


def _answers_in(manuscript: Manuscript) -> str:
    """What the model is told of a story, to say what it is about."""
    return "\n\n".join(passage.text for passage in manuscript.passages if passage.author is None)


def _digest(story: str) -> str:
    """By what a text is known, for which the model was asked."""
    return hashlib.sha256(story.encode("utf-8", "replace")).hexdigest()[:32]


def _effective(default: Details, conversation: Conversation, digest: str) -> Details:
    """The plain details with the model's over them, where it was asked about this text, and what members wrote over
    those."""
    kept = conversation.export_details or {}
    suggested = dict(kept.get("suggested", {})) if kept.get("of") == digest else {}
    if conversation.titled:
        suggested.pop("title", None)  # the thread's own title is the better one
    if default.fandoms != (ORIGINAL_WORK,):
        suggested.pop("fandoms", None)
    if "tags" in suggested:
        suggested["tags"] = [*suggested["tags"], MADE_WITH_AI]
    return default.with_values(suggested).with_values(kept.get("edited", {}))

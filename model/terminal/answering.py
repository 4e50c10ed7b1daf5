"""Having one answer written: the stream, the look-up that it asks for, and being stopped meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import ExitStack, aclosing
from typing import Any, TypeVar

from model.conversation import TOKENS_PER_MESSAGE, ChatMessage, estimate_tokens
from model.errors import WikipediaUnavailable
from model.lookup_tag import Lookup, TagFilter
from model.terminal.errors import NoSuchModel
from model.terminal.screen import Screen
from model.terminal.story import Entry, Story
from model.terminal.worker import ChatWorker
from model.wikipedia import CanonSource, Page

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 12.0
Result = TypeVar("Result")


class Answering:
    """Writes answers with a worker and shows them on a screen."""

    def __init__(
        self,
        worker: ChatWorker,
        canon: CanonSource | None,
        screen: Screen,
        *,
        max_tokens: int,
        temperature: float | None = None,
    ) -> None:
        """`canon`: where look-ups go; None ignores them. `max_tokens`: of one answer at most."""
        self._worker = worker
        self._canon = canon
        self._screen = screen
        self._max_tokens = max_tokens
        self._temperature = temperature
        self._under_way: asyncio.Task[Any] | None = None

    def stop(self) -> None:
        """End the answer that is being written, or the look-up, with what there is of it."""
        if self._under_way is not None:
            self._under_way.cancel()

    async def answer(self, story: Story) -> None:
        """Have the last message answered, and look up what the answer asks for.

        An answer that is nothing but a look-up is written again with what was found. Raises `ModelError`; the
        story then holds what there was.
        """
        question = story.entries[-1]
        entry = await self._write(story)
        if entry.lookup is not None and not entry.text and not entry.stopped:
            if await self._look_up(entry.lookup, question, story):
                entry = await self._write(story)
            if not entry.text:
                entry.lookup = None
        if entry.text or entry.lookup is not None or entry.stopped:
            story.entries.append(entry)
        else:
            self._screen.note("The model has nothing to say to that. /regenerate tries again.")
        if entry.lookup is not None and not entry.stopped:
            await self._look_up(entry.lookup, entry, story)

    async def _write(self, story: Story) -> Entry:
        model = self._worker.model
        if model is None:
            raise NoSuchModel("No model is chosen.")
        entry = Entry("assistant", "", model=model.name)
        tags = TagFilter(story.language or "en")
        try:
            _, entry.stopped = await self._unless_stopped(self._stream(story, entry, tags))
        except Exception:
            # What there is of it is kept as an answer that was cut off.
            if self._end(entry, tags, stopped=True):
                story.entries.append(entry)
            raise
        self._end(entry, tags, stopped=entry.stopped)
        return entry

    async def _stream(self, story: Story, entry: Entry, tags: TagFilter) -> None:
        with ExitStack() as waiting:
            waiting.enter_context(self._screen.waiting("writing"))
            messages, limit = await self._prompt(story)
            sampling: dict[str, Any] = {"max_tokens": limit}
            if self._temperature is not None:
                sampling["temperature"] = self._temperature
            async with aclosing(self._worker.write(messages, sampling)) as pieces:
                async for piece in pieces:
                    if shown := tags.feed(piece):
                        waiting.close()
                        entry.text += shown
                        self._screen.write(shown)

    def _end(self, entry: Entry, tags: TagFilter, *, stopped: bool) -> bool:
        """Show the rest of the text and take what it asks for; whether there is any text."""
        rest = tags.finish()
        entry.text += rest.text
        entry.lookup = None if stopped else rest.lookup
        entry.stopped = stopped
        self._screen.write(rest.text)
        self._screen.end_answer(stopped=stopped)
        return bool(entry.text)

    async def _prompt(self, story: Story) -> tuple[list[ChatMessage], int]:
        """The messages, cut to the model's window where they must be, and the tokens left for the answer."""
        model = self._worker.model
        assert model is not None  # noqa: S101 -- `_write` has looked
        limit = min(self._max_tokens, model.window // 2)
        messages = story.messages()
        counted = await self._worker.count_tokens(messages)
        if counted <= model.window - limit:
            return messages, limit
        scale = counted / sum(estimate_tokens(m["content"]) + TOKENS_PER_MESSAGE for m in messages)
        return story.fitted(
            lambda text: round(estimate_tokens(text) * scale), window=model.window, reserve=limit
        ), limit

    async def _look_up(self, lookup: Lookup, entry: Entry, story: Story) -> bool:
        """Find a page and keep it with an entry, the same page once; whether there is one."""
        if self._canon is None:
            return False
        with self._screen.waiting(f"looking up {lookup.term} ({lookup.language})"):
            page, _ = await self._unless_stopped(_find(self._canon, lookup))
        if page is None:
            self._screen.note(f"Nothing was found about {lookup.term} ({lookup.language}).")
            return False
        if page not in (known for each in story.entries for known in each.pages):
            entry.pages.append(page)
            self._screen.page(page)
        return True

    async def _unless_stopped(self, work: Coroutine[Any, Any, Result]) -> tuple[Result | None, bool]:
        """The result of some work, and whether it was stopped before it had one."""
        task = self._under_way = asyncio.create_task(work)
        try:
            await asyncio.wait({task})
        finally:
            self._under_way = None
            task.cancel()
        return (None, True) if task.cancelled() else (task.result(), False)


async def _find(canon: CanonSource, lookup: Lookup) -> Page | None:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await canon.lookup(lookup.term, lookup.language)
    except (WikipediaUnavailable, TimeoutError) as error:
        log.info("no page for a term in %s: %s", lookup.language, error or "too slow")
        return None

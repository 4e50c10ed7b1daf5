"""The models that the worker serves, kept to what was chosen: what is missing is loaded, also after a restart of the
worker, and each request goes to the model chosen for its server. What runs ends on the model that it began with."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.errors import ModelMissing, WorkerError, WorkerRefused
from bot.operation.choices import Choice, ModelChoices
from bot.operation.errors import CannotLoad
from bot.worker_adapters import WorkerAdapters
from bot.worker_client import Generation, Piece, Worker, WorkerInfo, translate
from model.conversation import ChatMessage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """A model of the worker's; `adapter`: it is one over the base, and not the base itself."""

    name: str
    adapter: bool


class ServedModels:
    """What the worker serves, and having it serve more."""

    def __init__(
        self, client: AsyncOpenAI, admin: AsyncOpenAI, choices: ModelChoices, *, own: str | None = None
    ) -> None:
        """`admin` carries the operator's token of the worker. `own` is the model that is asked where none is chosen;
        without it, the first one listed."""
        self._client = client
        self._adapters = WorkerAdapters(admin)
        self._choices = choices
        self._own = own
        self._known: frozenset[str] = frozenset()
        self._one_at_a_time = asyncio.Lock()

    async def listed(self) -> list[Served]:
        """All that it serves now.

        Raises:
            WorkerError: it could not be asked.
        """
        try:
            models = (await self._client.models.list()).data
        except Exception as error:
            self._known = frozenset()
            raise translate(error) from error
        self._known = frozenset(model.id for model in models)
        return [Served(m.id, bool((m.model_extra or {}).get("parent"))) for m in models]

    def forget(self) -> None:
        """It is not known any more what the worker has."""
        self._known = frozenset()

    async def ensure(self, choice: Choice, *, besides: Sequence[str] = ()) -> None:
        """See that the worker serves a model. Where it has no room, one that is in use nowhere makes place, but none
        of `besides`.

        Raises:
            CannotLoad: it will not; its own reason. WorkerError: it could not be asked, or is busy.
        """
        if choice.name in self._known:
            return
        async with self._one_at_a_time:
            listed = await self.listed()
            if choice.name in self._known:
                return
            if choice.path is None:
                raise CannotLoad(choice.name, "the worker does not have it, and nobody knows where it lies")
            try:
                await self._adapters.load(choice.name, choice.path)
            except ModelMissing as error:
                raise CannotLoad(choice.name, str(error)) from error
            except WorkerRefused as error:
                if not await self._make_room(listed, {choice.name, *besides}):
                    raise CannotLoad(choice.name, str(error)) from error
                try:
                    await self._adapters.load(choice.name, choice.path)
                except WorkerRefused as again:
                    raise CannotLoad(choice.name, str(again)) from again
            self._known |= {choice.name}
            log.info("the worker serves %s now", choice.name)

    async def _make_room(self, listed: Sequence[Served], kept: set[str]) -> bool:
        """Take one adapter out that is in use nowhere. Whether there was one."""
        kept = kept | {choice.name for choice in await self._choices.in_use()}
        kept.add(self._own or listed[0].name)
        for served in listed:
            if served.adapter and served.name not in kept:
                try:
                    await self._adapters.unload(served.name)
                except WorkerError as error:
                    log.warning("the worker did not give %s up: %s", served.name, error)
                    continue
                self._known -= {served.name}
                log.info("the worker gave %s up: it is in use nowhere", served.name)
                return True
        return False

    async def keep(self) -> None:
        """See that the worker has all that is in use; best effort."""
        chosen = await self._choices.in_use()
        if not chosen:
            return
        try:
            self.forget()
            for choice in chosen:
                await self.ensure(choice)
        except (WorkerError, CannotLoad) as error:
            log.warning("the worker lacks a model that is in use: %s", error)


class ChosenWorker:
    """A worker whose answers come from the model that was chosen for the server. One that cannot be loaded is not
    waited for: the worker's own model answers, and the log says so."""

    def __init__(self, worker: Worker, choices: ModelChoices, served: ServedModels) -> None:
        self._worker = worker
        self._choices = choices
        self._served = served

    async def describe(self, *, fresh: bool = False) -> WorkerInfo:
        """What the worker is."""
        return await self._worker.describe(fresh=fresh)

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Length of the prompt; the models of a worker cut text alike."""
        return await self._worker.count_tokens(messages)

    async def write(self, generation: Generation) -> AsyncGenerator[Piece, None]:
        """The answer, by the chosen model. One that the worker has lost meanwhile is loaded again."""
        chosen = generation if generation.model is not None else await self._choose(generation)
        begun = lost = False
        try:
            async with aclosing(self._worker.write(chosen)) as stream:
                async for piece in stream:
                    begun = True
                    yield piece
        except ModelMissing:
            self._served.forget()
            if begun or generation.model is not None or chosen.model is None:
                raise
            lost = True
        if lost:
            async with aclosing(self._worker.write(await self._choose(generation))) as stream:
                async for piece in stream:
                    yield piece

    async def _choose(self, generation: Generation) -> Generation:
        choice = await self._choices.for_guild(generation.guild_id)
        if choice is None:
            return generation
        try:
            await self._served.ensure(choice)
        except CannotLoad as error:
            log.error("the chosen model does not answer, the worker's own does: %s", error)  # noqa: TRY400
            return generation
        return replace(generation, model=choice.name)

"""A run: the works and chats that are wanted, written in rounds until all are done, given up, or must wait."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.chats import Property
from training.generation.asking import Asker
from training.generation.errors import ChatFailed, Stopped
from training.generation.made import Dropped, Made, chat_id
from training.generation.plan import ChatPlan
from training.generation.progress import Tally
from training.generation.prompts import PromptSet
from training.generation.stages import Stage
from training.generation.writer import Writer


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made. `works` lacks the languages whose works the model is to propose."""

    languages: Sequence[str]
    works: Mapping[str, Sequence[Property]]
    chosen: set[int] | None
    """Which works of each language, counted from 1; None is all."""
    chats: int
    """Chats about each work; none makes properties alone."""
    seed: int


@dataclass(frozen=True, slots=True)
class Planned:
    """One chat to be written, and what about."""

    plan: ChatPlan
    work: Property
    id: str


def plan_chats(
    prompts: PromptSet, language: str, works: Sequence[Property], wanted: Wanted
) -> list[list[Planned]]:
    """The chats of a language that are wanted, work by work."""
    plans = prompts.plan(language, len(works), wanted.chats, wanted.seed)
    planned = []
    for number, work in enumerate(works, 1):
        if wanted.chosen is not None and number not in wanted.chosen:
            continue
        mine = [plan for plan in plans if plan.work == number]
        planned.append([Planned(plan, work, chat_id(plan, wanted.chats)) for plan in mine])
    return planned


def count_calls(prompts: PromptSet, planned: Sequence[Sequence[Planned]]) -> Counter[Stage]:
    """How many slots each stage has for these chats, if no reply is bad."""
    counts: Counter[Stage] = Counter()
    for about_one in planned:
        plans = [each.plan for each in about_one]
        counts[Stage.FIRST_QUESTIONS] += len(prompts.groups(plans))
        for plan in plans:
            for stage in (Stage.FIRST_ANSWERS, Stage.SECOND_QUESTIONS, Stage.SECOND_ANSWERS):
                counts[stage] += 1
            if plan.six:
                counts[Stage.THIRD_QUESTIONS] += 1
                counts[Stage.THIRD_ANSWERS] += 1
            if plan.lookup:
                counts[Stage.NAMESAKES if plan.missed else Stage.BACKGROUND] += 1
    return counts


class Run:
    """Makes what is wanted, in rounds: what had a bad reply in one is asked again in the next."""

    def __init__(
        self, wanted: Wanted, prompts: PromptSet, asker: Asker, writer: Writer, tally: Tally
    ) -> None:
        self.made = Made()
        self._wanted = wanted
        self._prompts = prompts
        self._asker = asker
        self._writer = writer
        self._tally = tally
        self._planned: dict[str, list[list[Planned]]] = {}
        for code, works in wanted.works.items():
            self._plan(code, works)
        proposed = len(set(wanted.languages) - set(wanted.works))
        tally.adopt({Stage.PROPERTIES: proposed} if proposed else {})

    @property
    def left(self) -> int:
        """Chats that are neither written nor given up, and languages that have no works yet."""
        planned = sum(len(group) for groups in self._planned.values() for group in groups)
        unknown = len(set(self._wanted.languages) - set(self._planned))
        return planned + unknown - len(self.made.chats) - len(self.made.dropped)

    async def make(self, salvage_rounds: int) -> None:
        """Do all that can be done in one round and `salvage_rounds` more. Returns early when stopped."""
        for number in range(salvage_rounds + 1):
            async with asyncio.TaskGroup() as group:
                for code in self._wanted.languages:
                    group.create_task(self._language(code, number))
            if self._asker.stopped is not None:
                return
            if not self.made.failed:
                break
        self.made.exhausted = True

    def _plan(self, code: str, works: Sequence[Property]) -> None:
        self.made.properties[code] = list(works)
        self._planned[code] = (
            plan_chats(self._prompts, code, works, self._wanted) if self._wanted.chats else []
        )
        self._tally.adopt(count_calls(self._prompts, self._planned[code]))

    async def _language(self, code: str, number: int) -> None:
        if code not in self._planned:
            try:
                works = await self._asker.ask(self._prompts.properties(code), number)
            except ChatFailed as error:
                self.made.failed[code] = Dropped(code, code, "", error.kind, _reason(error), error.final)
                return
            except Stopped:
                return
            self.made.failed.pop(code, None)
            self._plan(code, works)
        async with asyncio.TaskGroup() as group:
            for about_one in self._planned[code]:
                for chats in self._groups(about_one):
                    group.create_task(self._group(chats, number))

    def _groups(self, about_one: Sequence[Planned]) -> list[list[Planned]]:
        groups = self._prompts.groups([each.plan for each in about_one])
        return [[each for each in about_one if each.plan in group] for group in groups]

    async def _group(self, chats: Sequence[Planned], number: int) -> None:
        """The chats whose first questions are one request."""
        left = [each for each in chats if each.plan.slot not in self.made.chats]
        if not left:
            return
        request = self._prompts.first_questions(chats[0].work, [each.plan for each in chats])
        try:
            questions = await self._asker.ask(request, number)
        except ChatFailed as error:
            for each in left:
                self._fail(each, error)
            return
        except Stopped:
            return
        async with asyncio.TaskGroup() as group:
            for each, question in zip(chats, questions, strict=True):
                if each in left:
                    group.create_task(self._chat(each, question, number))

    async def _chat(self, planned: Planned, question: str, number: int) -> None:
        slot = planned.plan.slot
        try:
            chat = await self._writer.write(planned.plan, planned.work, question, planned.id, number)
        except ChatFailed as error:
            self._fail(planned, error)
        except Stopped:
            return
        else:
            self.made.failed.pop(slot, None)
            self.made.chats[slot] = chat

    def _fail(self, planned: Planned, error: ChatFailed) -> None:
        slot, name = planned.plan.slot, planned.work.english_name
        self.made.failed[slot] = Dropped(
            slot, planned.plan.language, name, error.kind, _reason(error), error.final
        )


def _reason(error: ChatFailed) -> str:
    return f"{error} ({error.advice})" if error.advice else str(error)

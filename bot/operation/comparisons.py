"""One prompt on two models, blind: which is A and which is B is drawn by lot, noted, and told after the choice."""

from __future__ import annotations

import asyncio
import enum
import secrets
import uuid
from contextlib import aclosing
from dataclasses import dataclass

from bot.database.connection import Database
from bot.database.tables import ModelComparison, now
from bot.errors import WorkerError
from bot.guilds.repository import GuildRepository
from bot.operation.choices import Choice
from bot.operation.errors import OperationRefused
from bot.operation.serving import ServedModels
from bot.worker_client import Generation, Worker
from model.conversation import Turn, build, system_prompt
from model.languages import LANGUAGES
from model.lookup_tag import parse_reply

PATIENCE_SECONDS = 300.0


class Preference(enum.StrEnum):
    """Which answer was the better one."""

    A = "a"
    B = "b"
    NEITHER = "neither"


class NoComparison(OperationRefused):
    """There is no such comparison."""


@dataclass(frozen=True)
class Contest:
    """What is to be compared, and for whom."""

    guild_id: int
    operator_id: int
    language: str
    prompt: str


class Comparisons:
    """The comparisons."""

    def __init__(self, database: Database, worker: Worker, served: ServedModels, *, max_tokens: int) -> None:
        self._database = database
        self._worker = worker
        self._served = served
        self._max_tokens = max_tokens

    async def compare(self, contest: Contest, one: Choice, other: Choice) -> ModelComparison:
        """Have both answer.

        Raises:
            CannotLoad, WorkerError: one of them cannot, or takes too long.
        """
        await self._served.ensure(one, besides=[other.name])
        await self._served.ensure(other, besides=[one.name])
        pair = [one, other] if secrets.randbelow(2) else [other, one]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                first, second = await asyncio.gather(*(self._answer(contest, c.name) for c in pair))
        except TimeoutError as error:
            raise WorkerError(f"no answer within {PATIENCE_SECONDS:.0f} seconds") from error
        row = ModelComparison(
            guild_id=contest.guild_id,
            operator_id=contest.operator_id,
            language=contest.language,
            prompt=contest.prompt,
            model_a=pair[0].name,
            model_b=pair[1].name,
            answer_a=first,
            answer_b=second,
        )
        async with self._database.transaction() as session:
            session.add(row)
            details = {"models": sorted([one.name, other.name])}
            GuildRepository(session).note(contest.guild_id, contest.operator_id, "model compare", details)
        return row

    async def _answer(self, contest: Contest, model: str) -> str:
        messages = build(system_prompt(LANGUAGES[contest.language]), [Turn("user", contest.prompt)])
        generation = Generation(
            messages, self._max_tokens, request_id=f"compare-{uuid.uuid4().hex[:12]}", model=model
        )
        pieces: list[str] = []
        async with aclosing(self._worker.write(generation)) as stream:
            async for piece in stream:
                pieces.append(piece.text)
        return parse_reply("".join(pieces), contest.language).text.strip()

    async def choose(self, comparison_id: int, preference: Preference) -> ModelComparison:
        """Note which was better; the first choice counts.

        Raises:
            NoComparison: it is gone.
        """
        async with self._database.transaction() as session:
            row = await session.get(ModelComparison, comparison_id, with_for_update=True)
            if row is None:
                raise NoComparison
            if row.choice is None:
                row.choice, row.chosen_at = preference.value, now()
                won = {Preference.A: row.model_a, Preference.B: row.model_b}.get(preference)
                details = {"comparison": row.id, "better": won}
                GuildRepository(session).note(row.guild_id, row.operator_id, "model compare chosen", details)
            return row

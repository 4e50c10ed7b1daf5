"""Having the trainer forget members' rows: due until it says that it is done. And the holder of members' data at the
trainer, for `/privacy`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select

from bot.database.connection import Database
from bot.database.tables import DueForgetting, TrainingContribution, TrainingUpload
from bot.privacy.subject import Subject
from bot.privacy.training import forget_contributions
from bot.trainer import TrainerError, TrainerLacks
from bot.trainer_client import Trainer

log = logging.getLogger(__name__)

# Seconds that one request to forget may take; whoever has their data deleted waits for it.
_PATIENCE = 10.0


class Forgetting:
    """What the trainer has still to forget."""

    def __init__(self, database: Database, trainer: Trainer) -> None:
        self._database = database
        self._trainer = trainer

    async def carry_out(self) -> bool:
        """Have it forget all that is due. Whether nothing is due any more; what fails stays due."""
        due = await self._due()
        if due and not self._trainer.is_set:
            return False  # TRAINER_URL was taken out of the settings; it is needed again for this
        for alias in due:
            try:
                async with asyncio.timeout(_PATIENCE):
                    removed = await self._trainer.forget(alias)
            except (TrainerError, TimeoutError) as error:
                log.warning("the trainer has still to forget a member's rows: %s", error)
                return False
            log.info("the trainer removed %d rows of a member who left", removed)
            async with self._database.transaction() as session:
                await session.execute(delete(DueForgetting).where(DueForgetting.alias == alias))
        return True

    async def _due(self) -> Sequence[str]:
        async with self._database.reading() as session:
            return (
                await session.scalars(select(DueForgetting.alias).order_by(DueForgetting.created_at))
            ).all()


class TrainerHolder:
    """Members' rows at the trainer, as a `bot.privacy.subject.DataHolder`. A trainer that is away keeps no deletion
    from being carried out: what it has to forget is noted, and no run begins before it has."""

    name = "training rows"

    def __init__(self, database: Database, trainer: Trainer) -> None:
        self._database = database
        self._trainer = trainer
        self._forgetting = Forgetting(database, trainer)

    async def collect(self, member_id: int) -> list[dict[str, Any]]:
        """Their rows, as the trainer has them; where it cannot be asked, which ones they are."""
        query = (
            select(TrainingContribution, TrainingUpload)
            .join(TrainingUpload, TrainingUpload.id == TrainingContribution.upload_id)
            .where(TrainingContribution.member_id == member_id)
            .order_by(TrainingContribution.id)
        )
        async with self._database.reading() as session:
            found = [(part, upload) for part, upload in await session.execute(query)]
        rows: list[dict[str, Any]] = []
        for part, upload in found:
            rows += await self._rows(upload.file_id, set(part.row_ids))
        return rows

    async def _rows(self, file_id: str, ids: set[str]) -> list[dict[str, Any]]:
        try:
            lines = (await self._trainer.content(file_id)).decode().split("\n")
        except TrainerLacks:
            return []  # the file is gone there
        except (TrainerError, UnicodeDecodeError) as error:
            log.warning("the rows of file %s could not be fetched: %s", file_id, error)
            return [{"file": file_id, "row": row, "content": None} for row in sorted(ids)]
        found = []
        for line in lines:
            row = json.loads(line) if line.strip() else {}
            if row.get("id") in ids:
                # What others wrote in it is theirs to ask for.
                alone = len(row.pop("members", ())) == 1
                found.append({"file": file_id, "row": row["id"], "content": row if alone else None})
        return found

    async def forget(self, subject: Subject) -> int:
        """Note what the trainer has to forget, and tell it at once where it can be reached."""
        async with self._database.transaction() as session:
            members = set(await session.scalars(select(TrainingContribution.member_id).distinct()))
            removed = await forget_contributions(session, subject.among(members), subject.before)
        await self._forgetting.carry_out()
        return removed

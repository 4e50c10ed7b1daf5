"""A member's part in what the trainer was given: which rows of which files, under an alias. What was forgotten here is
due at the trainer until it says that it is done, whether or not it can be reached just now."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.tables import DueForgetting, TrainingContribution


async def forget_contributions(session: AsyncSession, ids: Collection[int], before: datetime) -> int:
    """Forget which rows were a member's, and note the aliases that the trainer has to forget. Returns how many rows
    that were."""
    theirs = (TrainingContribution.member_id.in_(ids), TrainingContribution.created_at <= before)
    found = (await session.scalars(select(TrainingContribution).where(*theirs))).all()
    for alias in sorted({contribution.alias for contribution in found}):
        if await session.get(DueForgetting, alias) is None:
            session.add(DueForgetting(alias=alias))
    await session.execute(delete(TrainingContribution).where(*theirs))
    await session.flush()
    return sum(len(contribution.row_ids) for contribution in found)

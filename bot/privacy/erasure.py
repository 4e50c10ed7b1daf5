"""Deleting what the database has of a member, in one transaction. Flushes, never commits.

What they wrote goes, with their name; what others wrote stays, and the tree of messages with it. A story in which
nobody else has a word goes altogether. What the model wrote in a story of several stays, for it is theirs too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import CompoundSelect, Text, cast, delete, or_, select, union, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningDelete

from bot.database.tables import (
    AuditEntry,
    Conversation,
    Feedback,
    Job,
    JobStatus,
    Member,
    Message,
    MessageStatus,
    ModelActivation,
    ModelComparison,
    ModerationEvent,
    Pin,
    Quota,
    QuotaSubject,
    TrainingContribution,
    TrainingRun,
    TrainingUpload,
)
from bot.moderation.leaving import leave_when_told
from bot.privacy.stories import StoryErasure
from bot.privacy.subject import NOBODY, Subject
from bot.privacy.training import forget_contributions


class Erasure:
    """One member's deletion, over one transaction. `take_down`: what the bot posted goes from Discord too."""

    def __init__(self, session: AsyncSession, subject: Subject, *, take_down: bool) -> None:
        self._session = session
        self._subject = subject
        self._take_down = take_down
        self.counts: Counter[str] = Counter()

    async def run(self) -> Counter[str]:
        """Delete, and return how many things of each kind that were."""
        ids = self._subject.among(await candidates(self._session))
        if not ids:
            return self.counts
        before = self._subject.before
        await self._end_answers(ids, before)
        for kind, statement in _rows_of(ids, before).items():
            self.counts[kind] += len((await self._session.scalars(statement)).all())
        await self._keep_reports(ids, before)
        stories = StoryErasure(self._session, ids, before, take_down=self._take_down)
        self.counts += await stories.run()
        await self._clear_audit(ids, before)
        await self._clear_operation(ids, before)
        self.counts["training rows"] += await forget_contributions(self._session, ids, before)
        await self._remove_profile(ids, before)
        return self.counts

    async def _end_answers(self, ids: Collection[int], before: datetime) -> None:
        """Whatever is still written or waits; who writes it loses the lease."""
        theirs = (Job.member_id.in_(ids), Job.created_at <= before)
        still = select(Job.answer_id).where(*theirs, Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING)))
        begun = (MessageStatus.WAITING, MessageStatus.STREAMING, MessageStatus.WRITTEN)
        await self._session.execute(
            update(Message)
            .where(Message.id.in_(still), Message.status.in_(begun))
            .values(status=MessageStatus.STOPPED)
            .execution_options(synchronize_session=False)
        )

    async def _keep_reports(self, ids: Collection[int], before: datetime) -> None:
        """What moderators have still to be told is deleted when they have been."""
        due = select(ModerationEvent.id).where(
            ModerationEvent.member_id.in_(ids),
            ModerationEvent.created_at <= before,
            ModerationEvent.report_due,
        )
        await leave_when_told(self._session, await self._session.scalars(due))

    async def _clear_audit(self, ids: Collection[int], before: datetime) -> None:
        """What was done stays in the servers' logs; not who did it, nor to whom."""
        in_details = [cast(AuditEntry.details, Text).contains(str(member_id)) for member_id in ids]
        query = select(AuditEntry).where(
            or_(AuditEntry.actor_id.in_(ids), *in_details), AuditEntry.created_at <= before
        )
        for entry in await self._session.scalars(query):
            if entry.actor_id in ids:
                entry.actor_id = NOBODY
            entry.details = {
                key: NOBODY if key == "member" and value in ids else value
                for key, value in entry.details.items()
            }
            self.counts["audit entries"] += 1
        await self._session.flush()

    async def _clear_operation(self, ids: Collection[int], before: datetime) -> None:
        """What an operator trained and chose stays; not who did it."""
        for table, column in _OPERATED:
            done = await self._session.scalars(
                update(table)
                .where(column.in_(ids), table.created_at <= before)
                .values({column.key: NOBODY})
                .returning(table.id)
                .execution_options(synchronize_session=False)
            )
            self.counts["operator's entries"] += len(done.all())

    async def _remove_profile(self, ids: Collection[int], before: datetime) -> None:
        """Their row, unless they have come back since."""
        came_back: CompoundSelect[tuple[int | None]] = union(
            select(Job.member_id).where(Job.created_at > before),
            select(Feedback.member_id).where(Feedback.created_at > before),
            select(Message.author_id).where(Message.author_id.is_not(None), Message.created_at > before),
        )
        removed = await self._session.scalars(
            delete(Member)
            .where(Member.id.in_(ids), Member.created_at <= before, Member.id.not_in(came_back))
            .returning(Member.id)
        )
        self.counts["profile"] += len(removed.all())


# What operators did, and the column that says who it was.
_OPERATED: tuple[tuple[type[TrainingRun | ModelActivation | TrainingUpload], Any], ...] = (
    (TrainingRun, TrainingRun.operator_id),
    (ModelActivation, ModelActivation.actor_id),
    (TrainingUpload, TrainingUpload.actor_id),
)


def _rows_of(ids: Collection[int], before: datetime) -> dict[str, ReturningDelete[tuple[int]]]:
    """How the rows that are a member's alone are removed, by kind."""
    return {
        "feedback": delete(Feedback)
        .where(Feedback.member_id.in_(ids), Feedback.created_at <= before)
        .returning(Feedback.id),
        "pins": delete(Pin).where(Pin.author_id.in_(ids), Pin.created_at <= before).returning(Pin.id),
        "requests": delete(Job).where(Job.member_id.in_(ids), Job.created_at <= before).returning(Job.id),
        "quotas": delete(Quota)
        .where(Quota.subject == QuotaSubject.MEMBER, Quota.subject_id.in_(ids))
        .returning(Quota.id),
        "moderation events": delete(ModerationEvent)
        .where(
            ModerationEvent.member_id.in_(ids),
            ModerationEvent.created_at <= before,
            ModerationEvent.report_due.is_(False),
        )
        .returning(ModerationEvent.id),
        "comparisons": delete(ModelComparison)
        .where(ModelComparison.operator_id.in_(ids), ModelComparison.created_at <= before)
        .returning(ModelComparison.id),
    }


async def candidates(session: AsyncSession) -> set[int]:
    """All ids in the database that may be a member's."""
    columns = (
        select(Member.id),
        select(Message.author_id).distinct(),
        select(Conversation.opener_id).distinct(),
        select(Pin.author_id).distinct(),
        select(Quota.subject_id).where(Quota.subject == QuotaSubject.MEMBER),
        select(ModerationEvent.member_id).distinct(),
        select(AuditEntry.actor_id).distinct(),
        select(TrainingRun.operator_id).distinct(),
        select(ModelActivation.actor_id).distinct(),
        select(ModelComparison.operator_id).distinct(),
        select(TrainingUpload.actor_id).distinct(),
        select(TrainingContribution.member_id).distinct(),
    )
    found: set[int] = set()
    for query in columns:
        found |= {value for value in await session.scalars(query) if value is not None}
    for details in await session.scalars(select(AuditEntry.details)):
        named = details.get("member")
        if isinstance(named, int):
            found.add(named)
    return found - {NOBODY}

"""What is old goes, as far as the settings want it: in small steps, so that nobody who waits for an answer waits for
this. Each step is one transaction; what a kill leaves over the next round finds."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from bot.database.connection import Database
from bot.database.tables import (
    AuditEntry,
    Base,
    CachedPage,
    Conversation,
    ConversationStatus,
    Delivery,
    Job,
    JobStatus,
    Message,
    MessageStatus,
    ModerationEvent,
    now,
)
from bot.database.turns import Urgency, waiting_as
from bot.settings import Settings

log = logging.getLogger(__name__)

STEP = 200
"""Rows that one transaction removes at most."""
_PAUSE_SECONDS = 0.05
_OVER = (JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED)
_GROWING = (MessageStatus.WAITING, MessageStatus.STREAMING, MessageStatus.WRITTEN)


@dataclass(frozen=True)
class Terms:
    """How many days each kind is kept; 0 is for ever."""

    jobs: int = 0
    deliveries: int = 0
    audit: int = 0
    stories: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Terms:
        """Those of the settings."""
        return cls(
            settings.retain_jobs_days,
            settings.retain_deliveries_days,
            settings.retain_audit_days,
            settings.retain_stories_days,
        )


class Retention:
    """Removes what is past its time."""

    def __init__(self, database: Database, terms: Terms) -> None:
        self._database = database
        self._terms = terms

    async def purge(self) -> Counter[str]:
        """All that is due. Returns how many rows of each kind there were."""
        moment = now()
        gone: Counter[str] = Counter()
        steps: list[tuple[str, int, Callable[[AsyncSession, datetime], Awaitable[int]]]] = [
            ("stories", self._terms.stories, _purge_story),
            ("jobs", self._terms.jobs, _purge_jobs),
            ("deliveries", self._terms.deliveries, _purge_deliveries),
            ("audit entries", self._terms.audit, _purge_audit),
            ("moderation events", self._terms.audit, _purge_moderation),
        ]
        with waiting_as(Urgency.PATIENT):
            for kind, days, step in steps:
                if days:
                    gone[kind] += await self._repeat(step, moment - timedelta(days=days))
            gone["cached pages"] += await self._repeat(_purge_pages, moment)
        if any(gone.values()):
            log.info("retention: removed %s", ", ".join(f"{n} {kind}" for kind, n in gone.items() if n))
        return gone

    async def _repeat(
        self, step: Callable[[AsyncSession, datetime], Awaitable[int]], before: datetime
    ) -> int:
        removed = 0
        while True:
            async with self._database.transaction() as session:
                found = await step(session, before)
            if not found:
                return removed
            removed += found
            await asyncio.sleep(_PAUSE_SECONDS)


async def _remove(
    session: AsyncSession,
    table: type[Base],
    key: InstrumentedAttribute[int] | InstrumentedAttribute[str],
    *old: ColumnElement[bool],
) -> int:
    """Remove some rows; how many."""
    some = select(key).where(*old).order_by(key).limit(STEP)
    removed = await session.scalars(delete(table).where(key.in_(some)).returning(key))
    return len(removed.all())


async def _purge_jobs(session: AsyncSession, before: datetime) -> int:
    return await _remove(session, Job, Job.id, Job.status.in_(_OVER), Job.finished_at < before)


async def _purge_deliveries(session: AsyncSession, before: datetime) -> int:
    """Not those of an answer that is still shown as it grows."""
    growing = select(Message.id).where(Message.status.in_(_GROWING))
    return await _remove(
        session, Delivery, Delivery.id, Delivery.created_at < before, Delivery.message_id.not_in(growing)
    )


async def _purge_audit(session: AsyncSession, before: datetime) -> int:
    return await _remove(session, AuditEntry, AuditEntry.id, AuditEntry.created_at < before)


async def _purge_moderation(session: AsyncSession, before: datetime) -> int:
    """Not what moderators have still to be told."""
    old = (ModerationEvent.created_at < before, ModerationEvent.report_due.is_(False))
    return await _remove(session, ModerationEvent, ModerationEvent.id, *old)


async def _purge_pages(session: AsyncSession, moment: datetime) -> int:
    return await _remove(session, CachedPage, CachedPage.key, CachedPage.expires_at <= moment)


async def _purge_story(session: AsyncSession, before: datetime) -> int:
    """A step of removing the oldest story in which nothing has happened since. It is first lost, so that nobody writes
    on in the half of it; then the newest of its messages go, so that none is without the one it answers."""
    in_it = Message.conversation_id == Conversation.id
    recent = select(Message.id).where(in_it, func.coalesce(Message.edited_at, Message.created_at) >= before)
    busy = select(Job.id).where(
        Job.conversation_id == Conversation.id, Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING))
    )
    old = (
        Conversation.created_at < before,
        func.coalesce(Conversation.closed_at, Conversation.created_at) < before,
        ~recent.exists(),
        ~busy.exists(),
    )
    story = await session.scalar(
        select(Conversation.id)
        .where(*old)
        .order_by(Conversation.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if story is None:
        return 0
    lost = update(Conversation).where(Conversation.id == story)
    await session.execute(lost.values(status=ConversationStatus.LOST, active_leaf_id=None))
    newest = (
        select(Message.id).where(Message.conversation_id == story).order_by(Message.id.desc()).limit(STEP)
    )
    removed = (await session.scalars(newest)).all()
    await session.execute(delete(Message).where(Message.id.in_(removed)))
    if len(removed) < STEP:
        await session.execute(delete(Conversation).where(Conversation.id == story))
    return max(1, len(removed))

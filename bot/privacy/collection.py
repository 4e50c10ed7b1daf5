"""All that is known of a member, as one JSON document.

    {"format": "fanfabler-personal-data", "version": 1, "made_at": …, "member_id": "…",
     "profile": {…} or null,       locale, consent, since when
     "stories": [{…}],             those they opened, wrote or pinned in; `all_of_it` says that nobody else wrote there
     "requests": [{…}],            the answers they asked for, and what became of each
     "feedback": [{…}],            👍 👎 and why
     "quotas": [{…}],              what admins gave them
     "moderation_events": [{…}],   that something was blocked, never the text
     "audit_log": [{…}],           what they did as admins, and what admins did about them
     "operated": {kind: [{…}]},    what they trained, chose and compared as operators
     "training_rows": [{…}],       which rows made of their stories the trainer was given
     "elsewhere": {name: [{…}]}}   what is held beside the database

A story has its `messages` (all of them where it is theirs alone; else their own, and the answers that they asked for),
`pins`, `summaries` and `looked_up` pages, likewise. Discord's ids are strings, since JavaScript's numbers cannot hold
them; times are in UTC.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any

from sqlalchemy import Text, cast, or_, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.connection import Database
from bot.database.tables import (
    AuditEntry,
    Base,
    CanonNote,
    Conversation,
    Delivery,
    Feedback,
    Job,
    Member,
    Message,
    ModelActivation,
    ModelComparison,
    ModerationEvent,
    Pin,
    Quota,
    QuotaSubject,
    Role,
    Summary,
    TrainingContribution,
    TrainingRun,
    TrainingUpload,
    now,
)
from bot.privacy.subject import DataHolder

# What the process keeps for itself while it works on a request: nobody's data.
_OURS = frozenset({"lease_owner", "lease_until", "nonce", "text_hash", "key"})
_DISCORD_IDS = frozenset({
    "guild_id", "channel_id", "thread_id", "starter_message_id", "opener_id", "last_seen_id", "author_id",
    "discord_message_id", "member_id", "subject_id", "actor_id", "operator_id",
})  # fmt: skip


async def collect(database: Database, member_id: int, holders: Sequence[DataHolder] = ()) -> dict[str, Any]:
    """The document."""
    elsewhere = {holder.name: await holder.collect(member_id) for holder in holders}
    async with database.transaction() as session:
        member = await session.get(Member, member_id)
        audit = or_(AuditEntry.actor_id == member_id, cast(AuditEntry.details, Text).contains(str(member_id)))
        return {
            "format": "fanfabler-personal-data",
            "version": 1,
            "made_at": now().isoformat(),
            "member_id": str(member_id),
            "profile": _row(member) if member else None,
            "stories": await _stories(session, member_id),
            "requests": await _rows(session, Job, Job.member_id == member_id),
            "feedback": await _rows(session, Feedback, Feedback.member_id == member_id),
            "quotas": await _rows(
                session, Quota, Quota.subject == QuotaSubject.MEMBER, Quota.subject_id == member_id
            ),
            "moderation_events": await _rows(
                session, ModerationEvent, ModerationEvent.member_id == member_id
            ),
            "audit_log": await _rows(session, AuditEntry, audit),
            "operated": {
                "training_runs": await _rows(session, TrainingRun, TrainingRun.operator_id == member_id),
                "activations": await _rows(session, ModelActivation, ModelActivation.actor_id == member_id),
                "comparisons": await _rows(
                    session, ModelComparison, ModelComparison.operator_id == member_id
                ),
                "uploads": await _rows(session, TrainingUpload, TrainingUpload.actor_id == member_id),
            },
            "training_rows": await _rows(
                session, TrainingContribution, TrainingContribution.member_id == member_id
            ),
            "elsewhere": elsewhere,
        }


def as_json(document: dict[str, Any]) -> bytes:
    """The document as a file for people and programs."""
    return json.dumps(document, ensure_ascii=False, indent=2).encode("utf-8", "replace")


async def _stories(session: AsyncSession, member_id: int) -> list[dict[str, Any]]:
    touched = union(
        select(Conversation.id).where(Conversation.opener_id == member_id),
        select(Message.conversation_id).where(Message.author_id == member_id),
        select(Pin.conversation_id).where(Pin.author_id == member_id),
    )
    ids = sorted(await session.scalars(touched))
    return [await _story(session, conversation_id, member_id) for conversation_id in ids]


async def _story(session: AsyncSession, conversation_id: int, member_id: int) -> dict[str, Any]:
    conversation = await session.get_one(Conversation, conversation_id)
    in_it = select(Message).where(Message.conversation_id == conversation_id).order_by(Message.id)
    messages = (await session.scalars(in_it)).all()
    pins = (await session.scalars(select(Pin).where(Pin.conversation_id == conversation_id))).all()
    alone = all(m.author_id == member_id for m in messages if m.role == Role.USER and m.content) and all(
        pin.author_id == member_id for pin in pins
    )
    asked = set(
        await session.scalars(
            select(Job.answer_id).where(Job.conversation_id == conversation_id, Job.member_id == member_id)
        )
    )
    chosen = [m for m in messages if alone or m.author_id == member_id or m.id in asked]
    row = _row(conversation)
    if not alone:  # it tells what others wrote
        row.pop("export_details")
    return {
        **row,
        "all_of_it": alone,
        "messages": [{**_row(message), "mine": message.author_id == member_id} for message in chosen],
        "pins": [_row(pin) for pin in pins if pin.author_id == member_id],
        "summaries": await _rows(session, Summary, Summary.conversation_id == conversation_id)
        if alone
        else [],
        "looked_up": await _of_messages(session, CanonNote, {m.id for m in chosen}),
        "posts": await _of_messages(session, Delivery, {m.id for m in chosen}),
    }


async def _of_messages(
    session: AsyncSession, table: type[CanonNote | Delivery], message_ids: Collection[int]
) -> list[dict[str, Any]]:
    return await _rows(session, table, table.message_id.in_(message_ids))


async def _rows(session: AsyncSession, table: type[Any], *conditions: Any) -> list[dict[str, Any]]:
    query = select(table).where(*conditions).order_by(table.id)
    return [_row(row) for row in await session.scalars(query)]


def _row(row: Base) -> dict[str, Any]:
    """A row's columns, fit for JSON."""
    is_member = isinstance(row, Member)
    values: Iterable[tuple[str, Any]] = (
        (column.key, getattr(row, column.key)) for column in row.__mapper__.column_attrs
    )
    return {
        key: _fit(value, discord_id=key in _DISCORD_IDS or (is_member and key == "id"))
        for key, value in values
        if key not in _OURS
    }


def _fit(value: Any, *, discord_id: bool) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {
            key: _fit(inner, discord_id=key in ("member", "role", "channel")) for key, inner in value.items()
        }
    return str(value) if discord_id and isinstance(value, int) else value

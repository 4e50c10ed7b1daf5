"""The tables. Times are UTC; Discord's ids (snowflakes) are 64-bit integers; text is what people wrote or the
model said, unaltered. What is shown on Discord is made from these rows, never the other way round."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Snowflake = BigInteger
RowId = BigInteger().with_variant(Integer, "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC. SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; refuses a datetime without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a datetime without a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Always aware."""
        if value is not None and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can drop it on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON}  # noqa: RUF012 -- SQLAlchemy's own name


def _enum(kind: type[enum.StrEnum]) -> Enum:
    """A string column holding the members' values; no database enum, which SQLite lacks and PostgreSQL freezes."""
    return Enum(kind, native_enum=False, length=16, values_callable=lambda e: [m.value for m in e])


class ConversationStatus(enum.StrEnum):
    """What may still happen in a conversation."""

    OPEN = "open"
    CLOSED = "closed"
    LOST = "lost"  # its thread was deleted, or the bot was removed


class Role(enum.StrEnum):
    """Who said it, in the chat API's terms."""

    USER = "user"
    ASSISTANT = "assistant"


class MessageStatus(enum.StrEnum):
    """How far a message is. A member's is `COMPLETE` from the start."""

    WAITING = "waiting"  # an answer not begun
    STREAMING = "streaming"  # some of its text may be visible
    WRITTEN = "written"  # all of it is known, not all of it posted
    COMPLETE = "complete"
    STOPPED = "stopped"  # by a member; what there is stays
    FAILED = "failed"


class JobKind(enum.StrEnum):
    """What the worker is asked for."""

    ANSWER = "answer"
    CONTINUE = "continue"


class JobStatus(enum.StrEnum):
    """Where a job stands in the queue."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DeliveryKind(enum.StrEnum):
    """What a Discord message of ours carries."""

    TEXT = "text"
    CANON = "canon"


class Member(Base):
    """A Discord user who has asked for something. `last_claimed_at` drives the round robin."""

    __tablename__ = "member"

    id: Mapped[int] = mapped_column(Snowflake, primary_key=True, autoincrement=False)
    locale: Mapped[str | None] = mapped_column(String(16))
    last_claimed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Conversation(Base):
    """A thread, and the tree of messages in it; `active_leaf_id` is the branch that people see."""

    __tablename__ = "conversation"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    guild_id: Mapped[int | None] = mapped_column(Snowflake)
    channel_id: Mapped[int] = mapped_column(Snowflake)
    thread_id: Mapped[int | None] = mapped_column(Snowflake, unique=True)
    starter_message_id: Mapped[int | None] = mapped_column(Snowflake)
    opener_id: Mapped[int] = mapped_column(Snowflake, index=True)
    private: Mapped[bool] = mapped_column(default=False)
    title: Mapped[str] = mapped_column(String(400))
    language: Mapped[str] = mapped_column(String(8))
    language_fixed: Mapped[bool] = mapped_column(default=False)
    status: Mapped[ConversationStatus] = mapped_column(
        _enum(ConversationStatus), default=ConversationStatus.OPEN
    )
    active_leaf_id: Mapped[int | None] = mapped_column(RowId)
    last_seen_id: Mapped[int | None] = mapped_column(Snowflake)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Message(Base):
    """One turn of a conversation. Siblings share a parent; a regenerated answer is a sibling of the first."""

    __tablename__ = "message"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    role: Mapped[Role] = mapped_column(_enum(Role))
    author_id: Mapped[int | None] = mapped_column(Snowflake, index=True)
    author_name: Mapped[str | None] = mapped_column(String(100))
    content: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[MessageStatus] = mapped_column(_enum(MessageStatus), default=MessageStatus.COMPLETE)
    discord_message_id: Mapped[int | None] = mapped_column(Snowflake, unique=True)
    lookup_term: Mapped[str | None] = mapped_column(String(200))
    lookup_language: Mapped[str | None] = mapped_column(String(8))
    finish_reason: Mapped[str | None] = mapped_column(String(16))
    model: Mapped[str | None] = mapped_column(String(200))
    fingerprint: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=now)


class Job(Base):
    """A request for an answer. `lease_until` is pushed on while a bot process works on it; one whose lease ran out
    is taken back. With `text_posted` only the look-up is still to be shown; `away_since` is when the worker was first
    found away. The partial unique index lets one answer at a time be written in a conversation."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_status_created_at", "status", "created_at"),
        Index("ix_job_member_id_status", "member_id", "status"),
        Index(
            "uq_job_running_conversation",
            "conversation_id",
            unique=True,
            sqlite_where=text("status = 'running'"),
            postgresql_where=text("status = 'running'"),
        ),
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    kind: Mapped[JobKind] = mapped_column(_enum(JobKind), default=JobKind.ANSWER)
    conversation_id: Mapped[int] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )
    answer_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"))
    guild_id: Mapped[int | None] = mapped_column(Snowflake)
    locale: Mapped[str | None] = mapped_column(String(16))
    status: Mapped[JobStatus] = mapped_column(_enum(JobStatus), default=JobStatus.QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime | None]
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    lease_owner: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[datetime | None]
    error: Mapped[str | None] = mapped_column(String(400))
    text_posted: Mapped[bool] = mapped_column(default=False)
    away_since: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Delivery(Base):
    """One Discord message of ours, written down before it is sent. `message_id` is the answer it shows now:
    paging between siblings moves it. The nonce makes a repeated send the same message."""

    __tablename__ = "delivery"
    __table_args__ = (UniqueConstraint("message_id", "kind", "part"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"))
    kind: Mapped[DeliveryKind] = mapped_column(_enum(DeliveryKind), default=DeliveryKind.TEXT)
    part: Mapped[int]
    nonce: Mapped[str] = mapped_column(String(25), unique=True)
    channel_id: Mapped[int] = mapped_column(Snowflake)
    discord_message_id: Mapped[int | None] = mapped_column(Snowflake, unique=True)
    text_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(default=now)


class CanonNote(Base):
    """What a look-up brought into a conversation: context for the rest of it, with its source."""

    __tablename__ = "canon_note"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(String(300))
    language: Mapped[str] = mapped_column(String(8))
    extract: Mapped[str] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(String(1000))
    revision: Mapped[int | None] = mapped_column(BigInteger)
    thumbnail_url: Mapped[str | None] = mapped_column(String(1000))
    source: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(default=now)


class CachedPage(Base):
    """A page of Wikipedia, or the fact that there is none, until it expires."""

    __tablename__ = "cached_page"

    key: Mapped[str] = mapped_column(String(300), primary_key=True)
    page: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Feedback(Base):
    """A member's verdict on an answer: 1 or -1."""

    __tablename__ = "feedback"
    __table_args__ = (UniqueConstraint("message_id", "member_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"))
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), index=True)
    rating: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Remembered(Base):
    """Small facts that the bot keeps about itself, such as the fingerprint of the commands it last synced."""

    __tablename__ = "remembered"

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[str] = mapped_column(Text)

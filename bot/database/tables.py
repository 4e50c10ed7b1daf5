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
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[int]: JSON, list[str]: JSON}  # noqa: RUF012 -- SQLAlchemy's own name


def _enum(kind: type[enum.StrEnum]) -> Enum:
    """A string column holding the members' values; no database enum, which SQLite lacks and PostgreSQL freezes."""
    return Enum(kind, native_enum=False, length=16, values_callable=lambda e: [m.value for m in e])


class ConversationStatus(enum.StrEnum):
    """What may still happen in a conversation."""

    OPEN = "open"
    CLOSED = "closed"
    LOST = "lost"  # its thread was deleted, or the bot was removed; it comes back where the bot does


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
    BLOCKED = "blocked"  # by the moderation service; nothing of its text is kept


class Rating(enum.StrEnum):
    """What a story may contain, in the words of fan fiction archives."""

    GENERAL = "general"
    TEEN = "teen"
    MATURE = "mature"


class QuotaSubject(enum.StrEnum):
    """Whom a quota is for."""

    GUILD = "guild"  # all of its members together
    EVERYONE = "everyone"  # each member for whom nothing else is said
    ROLE = "role"
    MEMBER = "member"


class Direction(enum.StrEnum):
    """Which way a moderated text went."""

    INPUT = "input"
    OUTPUT = "output"


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


class RunStatus(enum.StrEnum):
    """How far a training run is."""

    PROPOSED = "proposed"  # the operator has still to say yes
    CONFIRMED = "confirmed"  # they have; the trainer may not know of it yet
    RUNNING = "running"  # the trainer has it, waiting or at work
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class PauseMode(enum.StrEnum):
    """How the queue is held up."""

    PAUSE = "pause"  # what is asked for waits; nothing is begun
    DRAIN = "drain"  # what waits is written; nothing more is taken


class Member(Base):
    """A Discord user who has asked for something. `last_claimed_at` drives the round robin; `training_consent` is
    None as long as nothing was said, which counts as no."""

    __tablename__ = "member"

    id: Mapped[int] = mapped_column(Snowflake, primary_key=True, autoincrement=False)
    locale: Mapped[str | None] = mapped_column(String(16))
    last_claimed_at: Mapped[datetime | None]
    training_consent: Mapped[bool | None]
    consent_asked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Conversation(Base):
    """A thread, and the tree of messages in it; `active_leaf_id` is the branch that people see. `titled` says that
    the title is the model's or a member's, not just how the prompt began; `export_details` is what an export says about
    the work (title, fandom, tags …)."""

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
    titled: Mapped[bool] = mapped_column(default=False)
    rating: Mapped[Rating] = mapped_column(_enum(Rating), default=Rating.TEEN)
    export_details: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(default=now)
    closed_at: Mapped[datetime | None]


class Message(Base):
    """One turn of a conversation. Siblings share a parent; a regenerated answer is a sibling of the first.

    One that its author deleted (`deleted_at`) has lost its text and is in no prompt; its place in the tree stays.
    One that was taken back (`taken_back_at`) is off the active branch, and its Discord messages say so.
    `expected_language` is the language that an answer was to be in, `written_language` the one it was found to be in
    (None where that cannot be told), `language_retries` how often it was written anew for being in a wrong one.
    """

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
    expected_language: Mapped[str | None] = mapped_column(String(8))
    written_language: Mapped[str | None] = mapped_column(String(8))
    language_retries: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    taken_back_at: Mapped[datetime | None]


class Job(Base):
    """A request for an answer. `lease_until` is pushed on while a bot process works on it; one whose lease ran out
    is taken back. With `text_posted` only the look-up is still to be shown; `away_since` is when the worker was first
    found away; `first_text_at` when the answer's first text was stored, to be shown at once. `member_concurrency` is
    how many answers its member's quota allowed at once when it was queued. The partial unique index lets one answer at
    a time be written in a conversation."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_status_created_at", "status", "created_at"),
        Index("ix_job_member_id_status", "member_id", "status"),
        Index("ix_job_guild_id_created_at", "guild_id", "created_at"),
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
    member_concurrency: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    first_text_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class QueuePause(Base):
    """That the queue is held up, for one server or (`guild_id` 0) for all. Who did it is in the log."""

    __tablename__ = "queue_pause"

    guild_id: Mapped[int] = mapped_column(Snowflake, primary_key=True, autoincrement=False)
    mode: Mapped[PauseMode] = mapped_column(_enum(PauseMode))
    since: Mapped[datetime] = mapped_column(default=now)


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
    """A member's verdict on an answer: 1 or -1, and why, where they said so."""

    __tablename__ = "feedback"
    __table_args__ = (UniqueConstraint("message_id", "member_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"))
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), index=True)
    rating: Mapped[int]
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Summary(Base):
    """What happened in a branch up to and including a message, in the thread's language, by the model."""

    __tablename__ = "summary"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), index=True)
    text: Mapped[str] = mapped_column(Text)
    model: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=now)


class Pin(Base):
    """A fact or a passage that stays in the prompt of a conversation: its story bible."""

    __tablename__ = "pin"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(
        ForeignKey("conversation.id", ondelete="CASCADE"), index=True
    )
    author_id: Mapped[int] = mapped_column(Snowflake, index=True)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(default=now)


class GuildSettings(Base):
    """What the admins of a server have set. A server without a row has the defaults."""

    __tablename__ = "guild_settings"

    guild_id: Mapped[int] = mapped_column(Snowflake, primary_key=True, autoincrement=False)
    allowed_channels: Mapped[list[int] | None]
    excluded_channels: Mapped[list[int] | None]
    mature: Mapped[bool] = mapped_column(default=False)
    moderator_channel_id: Mapped[int | None] = mapped_column(Snowflake)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class Quota(Base):
    """How much of the bot somebody may use: answers in any 24 hours, and answers written at the same time. None is
    no limit of that kind, but for what the settings say for everybody."""

    __tablename__ = "quota"
    __table_args__ = (UniqueConstraint("guild_id", "subject", "subject_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    guild_id: Mapped[int] = mapped_column(Snowflake)
    subject: Mapped[QuotaSubject] = mapped_column(_enum(QuotaSubject))
    subject_id: Mapped[int] = mapped_column(Snowflake, default=0)
    answers_per_day: Mapped[int | None]
    concurrency: Mapped[int | None]


class ModerationEvent(Base):
    """That a text was blocked, and why; never the text. With `report_due` the server's moderators are still to be
    told."""

    __tablename__ = "moderation_event"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    guild_id: Mapped[int | None] = mapped_column(Snowflake, index=True)
    channel_id: Mapped[int | None] = mapped_column(Snowflake)
    member_id: Mapped[int | None] = mapped_column(Snowflake, index=True)
    direction: Mapped[Direction] = mapped_column(_enum(Direction))
    categories: Mapped[list[str]]
    report_due: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)


class AuditEntry(Base):
    """What an admin did."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    guild_id: Mapped[int | None] = mapped_column(Snowflake, index=True)
    actor_id: Mapped[int] = mapped_column(Snowflake, index=True)
    action: Mapped[str] = mapped_column(String(100))
    details: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Deletion(Base):
    """That a member's data was deleted, with the counts of their receipt; not whose; or that a consent to
    training was taken back. The log beside the database, which a restored backup replays, has the same ids."""

    __tablename__ = "deletion"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    counts: Mapped[dict[str, Any]]
    performed_at: Mapped[datetime] = mapped_column(default=now)


class Takedown(Base):
    """What a deletion leaves to be taken down on Discord: a message of the bot's, the title of a thread (it gets
    `new_title`), or, with neither, all that the bot posted in a thread and that no delivery accounts for any more.
    Names nobody; gone when done."""

    __tablename__ = "takedown"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    channel_id: Mapped[int] = mapped_column(Snowflake)
    discord_message_id: Mapped[int | None] = mapped_column(Snowflake)
    new_title: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(default=now)


class TrainingRun(Base):
    """A run that an operator asked for, and the Discord message that shows it. `key` goes along to the trainer, so that
    a job whose id was not noted any more is found again; `progress` is what the trainer last said; `expected` what was
    stated before it began. With `reported` the evaluation stands in the channel."""

    __tablename__ = "training_run"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    key: Mapped[str] = mapped_column(String(32), unique=True)
    job_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    guild_id: Mapped[int] = mapped_column(Snowflake)
    channel_id: Mapped[int] = mapped_column(Snowflake)
    message_id: Mapped[int | None] = mapped_column(Snowflake)
    operator_id: Mapped[int] = mapped_column(Snowflake, index=True)
    locale: Mapped[str | None] = mapped_column(String(16))
    recipe: Mapped[str] = mapped_column(String(100))
    dataset: Mapped[str] = mapped_column(String(100))
    rated_file: Mapped[str | None] = mapped_column(String(100))
    start_adapter: Mapped[str | None] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(100))
    status: Mapped[RunStatus] = mapped_column(_enum(RunStatus), default=RunStatus.PROPOSED, index=True)
    expected: Mapped[dict[str, Any]]
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    adapter: Mapped[str | None] = mapped_column(String(200))
    error: Mapped[str | None] = mapped_column(String(400))
    reported: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]


class ModelActivation(Base):
    """That an operator chose a model, for one server or (no `guild_id`) for all. The newest row of a server holds, and
    where there is none, or it names no adapter, the newest for all; without that, the worker's own first model.
    `previous_id` is the choice that a rollback goes back to."""

    __tablename__ = "model_activation"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    guild_id: Mapped[int | None] = mapped_column(Snowflake, index=True)
    adapter: Mapped[str | None] = mapped_column(String(200))
    path: Mapped[str | None] = mapped_column(String(1000))
    previous_id: Mapped[int | None] = mapped_column(ForeignKey("model_activation.id", ondelete="SET NULL"))
    forced: Mapped[bool] = mapped_column(default=False)
    rollback: Mapped[bool] = mapped_column(default=False)
    figures: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    actor_id: Mapped[int] = mapped_column(Snowflake, index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class ModelComparison(Base):
    """One prompt answered by two models, shown as A and B without their names; `choice` is `a`, `b` or `neither`."""

    __tablename__ = "model_comparison"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    guild_id: Mapped[int] = mapped_column(Snowflake)
    operator_id: Mapped[int] = mapped_column(Snowflake, index=True)
    language: Mapped[str] = mapped_column(String(8))
    prompt: Mapped[str] = mapped_column(Text)
    model_a: Mapped[str] = mapped_column(String(200))
    model_b: Mapped[str] = mapped_column(String(200))
    answer_a: Mapped[str] = mapped_column(Text)
    answer_b: Mapped[str] = mapped_column(Text)
    choice: Mapped[str | None] = mapped_column(String(8))
    created_at: Mapped[datetime] = mapped_column(default=now)
    chosen_at: Mapped[datetime | None]


class TrainingUpload(Base):
    """A file of members' rated chats that the trainer was given; `file_id` is its name before it goes out, and the
    trainer's id once that is known. `lineage` is the family of models that wrote the
    answers in it; `counts` what was in it and what was left out, and why."""

    __tablename__ = "training_upload"

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    file_id: Mapped[str] = mapped_column(String(100), unique=True)
    kind: Mapped[str] = mapped_column(String(8))
    lineage: Mapped[str | None] = mapped_column(String(200))
    rows: Mapped[int]
    counts: Mapped[dict[str, Any]]
    actor_id: Mapped[int] = mapped_column(Snowflake, index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class TrainingContribution(Base):
    """That a member has a part in an uploaded file: which rows, and under which alias the trainer knows the member.
    The alias is random and tells nothing by itself."""

    __tablename__ = "training_contribution"
    __table_args__ = (UniqueConstraint("upload_id", "member_id"),)

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    upload_id: Mapped[int] = mapped_column(ForeignKey("training_upload.id", ondelete="CASCADE"))
    member_id: Mapped[int] = mapped_column(Snowflake, index=True)
    alias: Mapped[str] = mapped_column(String(64), index=True)
    row_ids: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(default=now)


class DueForgetting(Base):
    """An alias whose rows the trainer has still to remove. Names nobody; gone when done."""

    __tablename__ = "due_forgetting"

    alias: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class Remembered(Base):
    """Small facts that the bot keeps about itself, such as the fingerprint of the commands it last synced."""

    __tablename__ = "remembered"

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    value: Mapped[str] = mapped_column(Text)

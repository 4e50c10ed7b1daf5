"""A database with something of a member in every table, and of others beside it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import (
    AuditEntry,
    Base,
    CachedPage,
    CanonNote,
    Conversation,
    Deletion,
    Delivery,
    DeliveryKind,
    Direction,
    DueForgetting,
    Feedback,
    GuildSettings,
    Job,
    JobStatus,
    Member,
    Message,
    MessageStatus,
    ModelActivation,
    ModelComparison,
    ModerationEvent,
    PauseMode,
    Pin,
    QueuePause,
    Quota,
    QuotaSubject,
    Remembered,
    Role,
    Summary,
    Takedown,
    TrainingContribution,
    TrainingRun,
    TrainingUpload,
    now,
)
from model.wikipedia.client import cache_key

ME, OTHER = 700_000_000_000_000_001, 800_000_000_000_000_002
MINE = "xylophone"
"""Stands in every text that the member wrote, and in what was made of it alone."""
THEIRS = "bassoon"
"""Stands in every text that others wrote."""
GUILD, CHANNEL = 10, 20


class Seeding:
    """Adds rows; ids of Discord count up."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._next = 5_000

    def discord_id(self) -> int:
        self._next += 1
        return self._next

    async def add(self, row: Base) -> Any:
        self._session.add(row)
        await self._session.flush()
        return row

    async def story(self, opener: int, title: str) -> Conversation:
        story: Conversation = await self.add(
            Conversation(
                guild_id=GUILD,
                channel_id=CHANNEL,
                thread_id=self.discord_id(),
                starter_message_id=self.discord_id(),
                opener_id=opener,
                title=title,
                language="en",
                export_details={"suggested": {"summary": f"{MINE} and all"}},
            )
        )
        return story

    async def said(self, story: Conversation, author: int, text: str, parent: int | None) -> Message:
        message: Message = await self.add(
            Message(
                conversation_id=story.id,
                parent_id=parent,
                role=Role.USER,
                author_id=author,
                author_name=f"name of {text}",
                content=text,
                discord_message_id=self.discord_id(),
            )
        )
        return message

    async def answered(
        self, story: Conversation, parent: Message, text: str, asker: int, term: str | None = None
    ) -> Message:
        answer: Message = await self.add(
            Message(
                conversation_id=story.id,
                parent_id=parent.id,
                role=Role.ASSISTANT,
                content=text,
                lookup_term=term,
                lookup_language="en" if term else None,
            )
        )
        await self.add(
            Job(
                conversation_id=story.id,
                answer_id=answer.id,
                member_id=asker,
                guild_id=GUILD,
                status=JobStatus.DONE,
            )
        )
        await self.posted(answer, DeliveryKind.TEXT, 0)
        story.active_leaf_id = answer.id
        return answer

    async def posted(self, message: Message, kind: DeliveryKind, part: int) -> None:
        discord_id = self.discord_id()
        await self.add(
            Delivery(
                message_id=message.id,
                kind=kind,
                part=part,
                nonce=f"n{discord_id}",
                channel_id=CHANNEL,
                discord_message_id=discord_id,
                text_hash="0" * 64,
            )
        )

    async def looked_up(self, story: Conversation, message: Message, extract: str) -> None:
        note = await self.add(
            CanonNote(
                conversation_id=story.id,
                message_id=message.id,
                title="A page",
                language="en",
                extract=extract,
                source="wikipedia",
            )
        )
        await self.posted(message, DeliveryKind.CANON, note.id)


async def seed(database: Database) -> dict[str, int]:
    """Fill every table. Returns the ids of three stories: `mine` alone, `ours` (I opened it, others wrote in it), and
    `theirs` (they opened it, I wrote in it)."""
    async with database.transaction() as session:
        to = Seeding(session)
        for member in (ME, OTHER):
            await to.add(Member(id=member, locale="fi", training_consent=True, consent_asked_at=now()))
        mine = await to.story(ME, f"{MINE} title")
        ask = await to.said(mine, ME, f"{MINE} one", None)
        answer = await to.answered(mine, ask, f"an answer about {MINE}", ME, term=f"{MINE} concerto")
        await to.looked_up(mine, answer, "what Wikipedia says")
        await to.add(Summary(conversation_id=mine.id, message_id=answer.id, text=f"so far, {MINE}"))
        await to.add(Pin(conversation_id=mine.id, author_id=ME, text=f"{MINE} pin"))
        await to.add(Feedback(message_id=answer.id, member_id=OTHER, rating=1))
        ours = await to.story(ME, f"{MINE} and {THEIRS}")
        ask = await to.said(ours, ME, f"{MINE} two", None)
        await to.looked_up(ours, ask, "what the prompt was about")
        answer = await to.answered(ours, ask, "the model's own words", ME)
        await to.add(Summary(conversation_id=ours.id, message_id=answer.id, text=f"then, {MINE}"))
        await to.add(Feedback(message_id=answer.id, member_id=ME, rating=-1, reason=f"{MINE} reason"))
        reply = await to.said(ours, OTHER, f"{THEIRS} two", answer.id)
        await to.answered(ours, reply, "more of the model's words", OTHER)
        theirs = await to.story(OTHER, f"{THEIRS} title")
        ask = await to.said(theirs, OTHER, f"{THEIRS} three", None)
        answer = await to.answered(theirs, ask, "words for them", OTHER)
        await to.said(theirs, ME, f"{MINE} three", answer.id)
        await to.add(Pin(conversation_id=theirs.id, author_id=ME, text=f"{MINE} pin"))
        await to.add(Pin(conversation_id=theirs.id, author_id=OTHER, text=f"{THEIRS} pin"))
        for member in (ME, OTHER):
            await _rules(to, member)
        await to.add(GuildSettings(guild_id=GUILD))
        await to.add(QueuePause(guild_id=GUILD, mode=PauseMode.PAUSE))
        await to.add(
            CachedPage(
                key=cache_key(f"{MINE} concerto", "en"), page=None, expires_at=now() + timedelta(days=1)
            )
        )
        await to.add(
            CachedPage(key=cache_key("bassoon", "en"), page=None, expires_at=now() + timedelta(days=1))
        )
        await to.add(Deletion(id="00000000-0000-0000-0000-000000000000", counts={}))
        await to.add(Takedown(channel_id=1, discord_message_id=1))
        await to.add(Remembered(key="commands", value="x"))
        await _operation(to)
        return {"mine": mine.id, "ours": ours.id, "theirs": theirs.id}


async def _rules(to: Seeding, member: int) -> None:
    await to.add(Quota(guild_id=GUILD, subject=QuotaSubject.MEMBER, subject_id=member, answers_per_day=5))
    await to.add(
        ModerationEvent(
            guild_id=GUILD,
            member_id=member,
            direction=Direction.INPUT,
            categories=["sexual"],
        )
    )
    await to.add(
        AuditEntry(guild_id=GUILD, actor_id=member, action="settings mature", details={"allowed": True})
    )
    await to.add(AuditEntry(guild_id=GUILD, actor_id=9, action="quota set", details={"member": member}))


async def _operation(to: Seeding) -> None:
    await to.add(DueForgetting(alias="somebody who left before"))
    for member, name in ((ME, MINE), (OTHER, THEIRS)):
        await to.add(
            TrainingRun(
                key=f"key-{member % 10}",
                guild_id=GUILD,
                channel_id=CHANNEL,
                operator_id=member,
                recipe="embedded",
                dataset="shipped",
                name=f"run-{member % 10}",
                expected={},
            )
        )
        await to.add(ModelActivation(adapter="one", path="/adapters/one", actor_id=member))
        await to.add(
            ModelComparison(
                guild_id=GUILD,
                operator_id=member,
                language="en",
                prompt=f"compare {name}",
                model_a="one",
                model_b="two",
                answer_a=f"first about {name}",
                answer_b=f"second about {name}",
            )
        )
        upload = await to.add(
            TrainingUpload(file_id=f"file-{member % 10}", kind="chats", rows=2, counts={}, actor_id=member)
        )
        await to.add(
            TrainingContribution(
                upload_id=upload.id, member_id=member, alias=f"alias-{member % 10}", row_ids=["a", "b"]
            )
        )


async def everything(database: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables."""
    async with database.transaction() as session:
        return {
            name: [dict(row) for row in (await session.execute(select(table))).mappings()]
            for name, table in Base.metadata.tables.items()
        }


async def add_running_answer(database: Database, story_id: int) -> int:
    """An answer for the member that is being written in a story of several. Returns its id."""
    async with database.transaction() as session:
        to = Seeding(session)
        to._next = 9_000
        answer = await to.add(
            Message(
                conversation_id=story_id,
                role=Role.ASSISTANT,
                status=MessageStatus.STREAMING,
                content="half of",
            )
        )
        await to.add(
            Job(
                conversation_id=story_id,
                answer_id=answer.id,
                member_id=ME,
                guild_id=GUILD,
                status=JobStatus.RUNNING,
                lease_owner="somebody",
            )
        )
        return int(answer.id)

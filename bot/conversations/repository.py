"""Reading and growing the message trees. Flushes, never commits: who opened the transaction does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Select, bindparam, exists, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from bot.database.tables import (
    CanonNote,
    Conversation,
    ConversationStatus,
    Feedback,
    Job,
    JobStatus,
    Member,
    Message,
    MessageStatus,
    Rating,
    Role,
    now,
)


@dataclass(frozen=True)
class Opening:
    """What a new conversation begins with. Ids are Discord's. `author_id` and `author_name` say whose the text is,
    where it is not the opener's."""

    guild_id: int | None
    channel_id: int
    opener_id: int
    opener_name: str
    locale: str | None
    title: str
    language: str
    language_fixed: bool
    private: bool
    text: str
    source_message_id: int | None = None
    role_ids: tuple[int, ...] = ()
    rating: Rating = Rating.TEEN
    # The channel and what it is in (a thread's channel, the category), and whether Discord restricts it to adults.
    place_ids: tuple[int, ...] = ()
    age_restricted: bool = False
    # Whether the title is the thread's own, which is left alone.
    titled: bool = False
    author_id: int | None = None
    author_name: str | None = None

    @property
    def writer_id(self) -> int:
        """Whose the text is."""
        return self.opener_id if self.author_id is None else self.author_id


class ConversationRepository:
    """The conversations, over one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def member(self, member_id: int, locale: str | None = None) -> Member:
        """The member's row, made on first sight; keeps the newest locale."""
        # Two first messages of a member may come at once.
        insert = postgresql.insert if self._session.get_bind().dialect.name == "postgresql" else sqlite.insert
        await self._session.execute(
            insert(Member).values(id=member_id, created_at=now()).on_conflict_do_nothing()
        )
        member = await self._session.get_one(Member, member_id)
        if locale is not None and member.locale != locale:
            member.locale = locale
        await self._session.flush()
        return member

    async def open(self, opening: Opening) -> tuple[Conversation, Message]:
        """A new conversation with its first message in it."""
        await self.member(opening.opener_id, opening.locale)
        conversation = Conversation(
            guild_id=opening.guild_id,
            channel_id=opening.channel_id,
            opener_id=opening.opener_id,
            title=opening.title,
            titled=opening.titled,
            language=opening.language,
            language_fixed=opening.language_fixed,
            private=opening.private,
            rating=opening.rating,
        )
        self._session.add(conversation)
        await self._session.flush()
        first = await self.add_user_message(
            conversation,
            parent_id=None,
            author_id=opening.writer_id,
            author_name=opening.author_name or opening.opener_name,
            text=opening.text,
            discord_message_id=opening.source_message_id,
        )
        return conversation, first

    async def get(self, conversation_id: int) -> Conversation:
        """The conversation; it exists, since something refers to it."""
        return await self._session.get_one(Conversation, conversation_id)

    async def locked(self, conversation_id: int) -> Conversation:
        """The conversation, kept from changing until the transaction ends."""
        return await self._session.get_one(Conversation, conversation_id, with_for_update=True)

    async def by_thread(self, thread_id: int, *, lock: bool = False) -> Conversation | None:
        """The conversation held in a thread; with `lock`, kept from changing until the transaction ends."""
        query = select(Conversation).where(Conversation.thread_id == thread_id)
        if lock:
            query = query.with_for_update()
        return (await self._session.scalars(query)).one_or_none()

    async def open_threads(self) -> Sequence[Conversation]:
        """Conversations that may have been written in while the bot was away."""
        query = select(Conversation).where(
            Conversation.status == ConversationStatus.OPEN, Conversation.thread_id.is_not(None)
        )
        return (await self._session.scalars(query)).all()

    async def message(self, message_id: int) -> Message | None:
        """A message by its row id."""
        return await self._session.get(Message, message_id)

    async def knows(self, discord_message_id: int) -> bool:
        """Whether this Discord message is in a conversation already."""
        query = select(exists().where(Message.discord_message_id == discord_message_id))
        return bool(await self._session.scalar(query))

    async def add_user_message(
        self,
        conversation: Conversation,
        *,
        parent_id: int | None,
        author_id: int,
        author_name: str,
        text: str,
        discord_message_id: int | None,
    ) -> Message:
        """A member's turn under `parent_id`; it becomes the active leaf."""
        message = Message(
            conversation_id=conversation.id,
            parent_id=parent_id,
            role=Role.USER,
            author_id=author_id,
            author_name=author_name[:100],
            content=text,
            discord_message_id=discord_message_id,
        )
        self._session.add(message)
        await self._session.flush()
        conversation.active_leaf_id = message.id
        if discord_message_id is not None:
            conversation.last_seen_id = max(conversation.last_seen_id or 0, discord_message_id)
        return message

    async def add_answer(self, conversation: Conversation, parent_id: int | None) -> Message:
        """An answer not yet begun; it becomes the active leaf."""
        answer = Message(
            conversation_id=conversation.id,
            parent_id=parent_id,
            role=Role.ASSISTANT,
            status=MessageStatus.WAITING,
        )
        self._session.add(answer)
        await self._session.flush()
        conversation.active_leaf_id = answer.id
        return answer

    async def branch(self, leaf_id: int | None) -> list[Message]:
        """The messages from the root down to `leaf_id`."""
        if leaf_id is None:
            return []
        return list(await self._session.scalars(_branch(), {"leaf_id": leaf_id}))

    async def notes(self, conversation_id: int) -> dict[int, list[CanonNote]]:
        """The look-ups of a conversation, by the answer that asked for them."""
        query = select(CanonNote).where(CanonNote.conversation_id == conversation_id).order_by(CanonNote.id)
        found: dict[int, list[CanonNote]] = {}
        for note in await self._session.scalars(query):
            found.setdefault(note.message_id, []).append(note)
        return found

    async def siblings(self, message: Message) -> list[int]:
        """Ids of the answers under the same parent that were not deleted, oldest first."""
        query = select(Message.id).where(
            Message.conversation_id == message.conversation_id,
            Message.parent_id.is_(message.parent_id)
            if message.parent_id is None
            else Message.parent_id == message.parent_id,
            Message.role == message.role,
            Message.deleted_at.is_(None),
        )
        return list(await self._session.scalars(query.order_by(Message.id)))

    async def authors(self, conversation_id: int) -> set[int]:
        """The members who have written in a conversation."""
        query = select(Message.author_id).where(
            Message.conversation_id == conversation_id, Message.author_id.is_not(None)
        )
        return {author for author in await self._session.scalars(query.distinct()) if author is not None}

    async def pending_job(self, conversation_id: int) -> Job | None:
        """The newest job of the conversation that is not over: queued before running."""
        query = (
            select(Job)
            .where(
                Job.conversation_id == conversation_id,
                Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING)),
            )
            .order_by(Job.id.desc())
            .limit(1)
        )
        return (await self._session.scalars(query)).one_or_none()

    async def mark_lost(self, thread_id: int) -> None:
        """Its thread is gone: nothing more will be answered there."""
        await self._session.execute(
            update(Conversation)
            .where(Conversation.thread_id == thread_id)
            .values(status=ConversationStatus.LOST)
        )

    async def mark_guild_lost(self, guild_id: int) -> None:
        """The bot was removed from the server."""
        await self._session.execute(
            update(Conversation)
            .where(Conversation.guild_id == guild_id, Conversation.status == ConversationStatus.OPEN)
            .values(status=ConversationStatus.LOST)
        )

    async def rate(self, message_id: int, member_id: int, rating: int) -> int | None:
        """Set a member's verdict; the same one again takes it back. Returns the verdict that stands."""
        await self.member(member_id)
        query = select(Feedback).where(Feedback.message_id == message_id, Feedback.member_id == member_id)
        standing = (await self._session.scalars(query)).one_or_none()
        if standing is None:
            self._session.add(Feedback(message_id=message_id, member_id=member_id, rating=rating))
        elif standing.rating == rating:
            await self._session.delete(standing)
            await self._session.flush()
            return None
        else:
            standing.rating, standing.reason, standing.created_at = rating, None, now()
        await self._session.flush()
        return rating

    async def dislike(self, message_id: int, member_id: int, reason: str | None) -> None:
        """Set a member's verdict to -1, with a reason where there is one."""
        await self.member(member_id)
        # Written over rather than looked for first: a click and a form may come at once.
        insert = postgresql.insert if self._session.get_bind().dialect.name == "postgresql" else sqlite.insert
        statement = insert(Feedback).values(
            message_id=message_id, member_id=member_id, rating=-1, reason=reason, created_at=now()
        )
        changes: dict[str, object] = {"rating": -1}
        if reason is not None:
            changes["reason"] = reason
        await self._session.execute(
            statement.on_conflict_do_update(index_elements=["message_id", "member_id"], set_=changes)
        )


@cache
def _branch() -> Select[Message]:
    """What finds the messages from the root down to `leaf_id`. Made once: making it takes longer than carrying it
    out."""
    leaf = select(Message.id, Message.parent_id, literal(0).label("height"))
    path = leaf.where(Message.id == bindparam("leaf_id")).cte("path", recursive=True)
    above = aliased(Message)
    path = path.union_all(
        select(above.id, above.parent_id, path.c.height + 1).join(path, above.id == path.c.parent_id)
    )
    return select(Message).join(path, Message.id == path.c.id).order_by(path.c.height.desc())

"""What a conversation remembers beside its turns: what members pinned, and summaries of what came before. Over one
transaction; flushes, never commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.conversations.repository import ConversationRepository
from bot.database.tables import Message, MessageStatus, Pin, Role, Summary


@dataclass(frozen=True)
class Remembered:
    """The pins of a conversation, oldest first, and the summary that stands for the beginning of a branch."""

    pins: list[Pin] = field(default_factory=list)
    summary: Summary | None = None


def is_told(message: Message) -> bool:
    """Whether there is anything of a message that a model may be told."""
    if message.deleted_at is not None or message.status == MessageStatus.BLOCKED:
        return False
    return bool(message.content.strip() or message.lookup_term)


class MemoryRepository:
    """The memories, over one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, conversation_id: int, path: Sequence[Message]) -> Remembered:
        """What goes into the prompt of a branch."""
        return Remembered(await self.pins(conversation_id), await self._summary(conversation_id, path))

    async def pins(self, conversation_id: int) -> list[Pin]:
        """What was pinned, oldest first."""
        query = select(Pin).where(Pin.conversation_id == conversation_id).order_by(Pin.id)
        return list(await self._session.scalars(query))

    async def _summary(self, conversation_id: int, path: Sequence[Message]) -> Summary | None:
        """The summary that covers most of the path, but not all that members say in it."""
        query = select(Summary).where(Summary.conversation_id == conversation_id).order_by(Summary.id)
        by_message = {row.message_id: row for row in await self._session.scalars(query)}
        something_follows = False
        for message in reversed(path):
            if something_follows and message.id in by_message:
                return by_message[message.id]
            something_follows = something_follows or (message.role == Role.USER and is_told(message))
        return None

    async def add_summary(
        self, conversation_id: int, covered: Sequence[Message], text: str, model: str | None
    ) -> Summary | None:
        """Keep a summary of the messages down to the last of `covered`. None, and nothing is kept, where one of them
        was changed since they were read."""
        repository = ConversationRepository(self._session)
        await repository.locked(conversation_id)
        now = {message.id: message for message in await repository.branch(covered[-1].id)}
        for message in covered:
            fresh = now.get(message.id)
            if fresh is None or (fresh.content, fresh.deleted_at) != (message.content, message.deleted_at):
                return None
        summary = Summary(conversation_id=conversation_id, message_id=covered[-1].id, text=text, model=model)
        self._session.add(summary)
        await self._session.flush()
        return summary

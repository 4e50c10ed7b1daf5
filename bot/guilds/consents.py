"""How many of those who write in a server let their chats be trained on. A number, nobody's name."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.tables import Conversation, Member, Message


async def consenting(session: AsyncSession, guild_id: int) -> int:
    """Members who wrote in a story of the server and have agreed."""
    query = (
        select(func.count(func.distinct(Member.id)))
        .join(Message, Message.author_id == Member.id)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.guild_id == guild_id, Member.training_consent.is_(True))
    )
    return (await session.scalar(query)) or 0

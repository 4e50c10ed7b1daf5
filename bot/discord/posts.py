"""The Discord messages that show one answer, as rows: written before anything is sent, so that a process killed
between sending and noting it posts nothing twice."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from bot.database.connection import Database
from bot.database.tables import Delivery, DeliveryKind


def text_hash(text: str) -> str:
    """What identifies a text in a delivery row."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Post:
    """One message of an answer. `discord_id` is None until Discord has confirmed it; `shown` is what this process
    last put there, or None where it does not know."""

    delivery_id: int
    part: int
    nonce: str
    discord_id: int | None
    created: float
    shown: tuple[str, object] | None = None


class DeliveryLog:
    """The deliveries of the answers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def posts(self, message_id: int, kind: DeliveryKind) -> list[Post]:
        """What was sent, or was about to be, for an answer; by part."""
        query = (
            select(Delivery)
            .where(Delivery.message_id == message_id, Delivery.kind == kind)
            .order_by(Delivery.part)
        )
        async with self._database.transaction() as session:
            rows = (await session.scalars(query)).all()
        return [_post(row) for row in rows]

    async def intend(
        self, message_id: int, kind: DeliveryKind, channel_id: int, parts: Sequence[tuple[int, str]]
    ) -> list[Post]:
        """Write down that these parts (number, text) are about to be sent for the first time."""
        rows = [
            Delivery(
                message_id=message_id,
                kind=kind,
                part=part,
                nonce=secrets.token_hex(12),
                channel_id=channel_id,
                text_hash=text_hash(text),
            )
            for part, text in parts
        ]
        async with self._database.transaction() as session:
            session.add_all(rows)
        return [_post(row) for row in rows]

    async def sent(self, post: Post, discord_id: int, text: str) -> None:
        """Discord has it."""
        post.discord_id = discord_id
        async with self._database.transaction() as session:
            await session.execute(
                update(Delivery)
                .where(Delivery.id == post.delivery_id)
                .values(discord_message_id=discord_id, text_hash=text_hash(text))
            )

    async def renew(self, post: Post) -> None:
        """Somebody deleted the message: it is to be sent anew, as another one."""
        post.nonce, post.discord_id, post.shown = secrets.token_hex(12), None, None
        async with self._database.transaction() as session:
            await session.execute(
                update(Delivery)
                .where(Delivery.id == post.delivery_id)
                .values(nonce=post.nonce, discord_message_id=None)
            )

    async def text_of(self, post: Post) -> str:
        """The hash of the text that was about to be sent."""
        async with self._database.transaction() as session:
            return (await session.get_one(Delivery, post.delivery_id)).text_hash

    async def forget(self, post: Post) -> None:
        """The message is no more."""
        async with self._database.transaction() as session:
            await session.execute(delete(Delivery).where(Delivery.id == post.delivery_id))

    async def confirmed_in(self, channel_id: int) -> set[int]:
        """Discord ids of our messages in a channel that are accounted for."""
        query = select(Delivery.discord_message_id).where(Delivery.channel_id == channel_id)
        async with self._database.transaction() as session:
            return {found for found in await session.scalars(query) if found is not None}


def _post(row: Delivery) -> Post:
    return Post(row.id, row.part, row.nonce, row.discord_message_id, row.created_at.timestamp())

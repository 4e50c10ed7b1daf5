"""The Discord messages that show one answer, as rows: written before anything is sent, so that a process killed
between sending and noting it posts nothing twice."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, delete, select, update

from bot.database.connection import Database
from bot.database.patience import STEP_PATIENCE, persisting
from bot.database.tables import Delivery, DeliveryKind


def text_hash(text: str) -> str:
    """What identifies a text in a delivery row."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Post:
    """One message of an answer. `discord_id` is None until Discord has confirmed it; `shown` is what this process
    last put there, or None where it does not know. One that is `doubtful` may have been sent by somebody else, so that
    Discord, knowing the nonce, answers with what that was."""

    delivery_id: int
    part: int
    nonce: str
    discord_id: int | None
    created: float
    channel_id: int
    shown: tuple[str, object] | None = None
    doubtful: bool = False


class DeliveryLog:
    """The deliveries of the answers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._removing: set[int] = set()

    def removing(self, discord_id: int) -> None:
        """This process is about to delete a message of ours."""
        self._removing.add(discord_id)

    def removed_by_us(self, discord_id: int) -> bool:
        """Whether it was this process that deleted the message that Discord says is gone; asked once a message."""
        if discord_id not in self._removing:
            return False
        self._removing.discard(discord_id)
        return True

    @persisting(STEP_PATIENCE)
    async def posts(self, message_id: int, kind: DeliveryKind) -> list[Post]:
        """What was sent, or was about to be, for an answer; by part."""
        async with self._database.reading() as session:
            rows = (await session.scalars(_of(message_id, kind))).all()
        return [_post(row) for row in rows]

    @persisting(STEP_PATIENCE)
    async def know_or_intend(
        self, message_id: int, channel_id: int, parts: Sequence[str]
    ) -> tuple[list[Post], list[Post]]:
        """What was sent, or was about to be, of an answer's text; and, written down now, what is about to be sent for
        the first time of its parts. In one step, for the first text waits for it."""
        async with self._database.transaction() as session:
            known = (await session.scalars(_of(message_id, DeliveryKind.TEXT))).all()
            further = list(enumerate(parts))[len(known) :]
            fresh = _intended(message_id, DeliveryKind.TEXT, channel_id, further)
            session.add_all(fresh)
        return [_post(row) for row in known], [_post(row) for row in fresh]

    async def intend(
        self, message_id: int, kind: DeliveryKind, channel_id: int, parts: Sequence[tuple[int, str]]
    ) -> list[Post]:
        """Write down that these parts (number, text) are about to be sent for the first time."""
        rows = _intended(message_id, kind, channel_id, parts)
        async with self._database.transaction() as session:
            session.add_all(rows)
        return [_post(row) for row in rows]

    @persisting(STEP_PATIENCE)
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

    @persisting(STEP_PATIENCE)
    async def look_again(self, post: Post) -> str:
        """The hash of the text that was about to be sent; and the message, where it has been confirmed by now."""
        async with self._database.reading() as session:
            row = await session.get_one(Delivery, post.delivery_id)
        post.discord_id = row.discord_message_id
        return row.text_hash

    @persisting(STEP_PATIENCE)
    async def forget(self, post: Post) -> None:
        """The message is no more."""
        async with self._database.transaction() as session:
            await session.execute(delete(Delivery).where(Delivery.id == post.delivery_id))

    @persisting(STEP_PATIENCE)
    async def confirmed_in(self, channel_id: int) -> set[int]:
        """Discord ids of our messages in a channel that are accounted for."""
        query = select(Delivery.discord_message_id).where(Delivery.channel_id == channel_id)
        async with self._database.reading() as session:
            return {found for found in await session.scalars(query) if found is not None}


def _of(message_id: int, kind: DeliveryKind) -> Select[Delivery]:
    return (
        select(Delivery)
        .where(Delivery.message_id == message_id, Delivery.kind == kind)
        .order_by(Delivery.part)
    )


def _intended(
    message_id: int, kind: DeliveryKind, channel_id: int, parts: Sequence[tuple[int, str]]
) -> list[Delivery]:
    return [
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


def _post(row: Delivery) -> Post:
    created = row.created_at.timestamp()
    return Post(row.id, row.part, row.nonce, row.discord_message_id, created, row.channel_id)

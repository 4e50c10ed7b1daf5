"""What stands between texts and everything else: checks them for their story's rating, notes that something was
blocked, and sees to it that what moderators must know is told. Without a service it lets everything through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from bot.database.connection import Database
from bot.database.tables import Conversation, Direction, ModerationEvent, Rating
from bot.errors import BotError
from bot.moderation.categories import REPORTED, Category, blocked
from bot.moderation.service import ModerationAway, ModerationService, Passage

log = logging.getLogger(__name__)


class TextBlocked(BotError):
    """A text was blocked. Nothing of it is kept."""

    def __init__(self, categories: Collection[Category]) -> None:
        super().__init__()
        self.categories = frozenset(categories)

    @property
    def reported(self) -> bool:
        """Whether the server's moderators are told."""
        return bool(self.categories & REPORTED)


class InputBlocked(TextBlocked):
    """What a member wrote was blocked."""


class OutputBlocked(TextBlocked):
    """What the model wrote was blocked."""


@dataclass(frozen=True)
class Spot:
    """Where a text belongs, whose it is (for an answer: who asked for it), and what is borne there."""

    guild_id: int | None
    channel_id: int | None
    member_id: int | None
    rating: Rating

    @classmethod
    def of(cls, conversation: Conversation, member_id: int | None) -> Spot:
        """In a story."""
        channel_id = conversation.thread_id or conversation.channel_id
        return cls(conversation.guild_id, channel_id, member_id, conversation.rating)


class Guard:
    """Checks texts. While the service is away, mature stories wait for it, and all others too where it is `required`;
    else they go on unchecked, as they would without a service. `on_report` is called when there is something to
    report."""

    def __init__(
        self,
        database: Database,
        service: ModerationService | None = None,
        *,
        required: bool = False,
        on_report: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._service = service
        self._required = required
        self._on_report = on_report
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    @property
    def moderated(self) -> bool:
        """Whether there is a service."""
        return self._service is not None

    async def admit(self, text: str, spot: Spot) -> None:
        """See that a member's text may become part of a story. To be called outside of transactions.

        Raises:
            InputBlocked: it may not; that is noted. ModerationAway: nobody knows, and it has to be known.
        """
        found = await self.judge(Passage(text, Direction.INPUT), spot.rating)
        if found:
            await self.note(Direction.INPUT, found, spot)
            raise InputBlocked(found)

    async def passes(self, text: str, spot: Spot) -> bool:
        """Whether something short that the model wrote aside (a title, a summary) may be used. What may not is noted;
        what cannot be checked, but would have to be, may not."""
        try:
            found = await self.judge(Passage(text, Direction.OUTPUT), spot.rating)
        except ModerationAway:
            return False
        if found:
            await self.note(Direction.OUTPUT, found, spot)
        return not found

    async def judge(self, passage: Passage, rating: Rating) -> frozenset[Category]:
        """What in a passage a story of this rating does not bear; notes nothing.

        Raises:
            ModerationAway: nobody knows, and it has to be known.
        """
        if self._service is None or not passage.text.strip():
            return frozenset()
        try:
            found = await self._service.judge(passage)
        except ModerationAway as error:
            if self._required or rating is Rating.MATURE:
                raise
            log.warning("a text goes unchecked: %s", error)
            return frozenset()
        return blocked(found, rating)

    async def note(self, direction: Direction, categories: Collection[Category], spot: Spot) -> None:
        """Write down that a text was blocked."""
        async with self._database.transaction() as session:
            session.add(event_of(direction, categories, spot))
        self.tell(categories)

    def tell(self, categories: Collection[Category]) -> None:
        """An event was written down: see to its report, where it is due."""
        if REPORTED & set(categories):
            self._on_report()

    @asynccontextmanager
    async def in_turn(self, thread_id: int) -> AsyncIterator[None]:
        """Keep the order of what is said in a thread, although some texts take longer to be checked than others."""
        if self._service is None:
            yield
            return
        turn = self._turns.setdefault(thread_id, asyncio.Lock())
        async with turn:
            yield


def event_of(direction: Direction, categories: Collection[Category], spot: Spot) -> ModerationEvent:
    """The row that says that a text was blocked."""
    return ModerationEvent(
        guild_id=spot.guild_id,
        channel_id=spot.channel_id,
        member_id=spot.member_id,
        direction=direction,
        categories=sorted(category.value for category in categories),
        report_due=bool(REPORTED & set(categories)),
    )

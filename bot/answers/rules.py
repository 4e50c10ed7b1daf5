"""What a server's rules and the moderation service mean for an answer: how it is rated now, and what happens to one
that was blocked."""

from __future__ import annotations

from bot.answers.store import AnswerStore, Work
from bot.conversations.repository import ConversationRepository
from bot.database.connection import Database
from bot.database.tables import Direction, Rating
from bot.guilds.repository import GuildRepository
from bot.guilds.rules import effective_rating
from bot.moderation.guard import Guard, OutputBlocked, Spot, event_of


class AnswerRules:
    """The rules, for the writer."""

    def __init__(self, database: Database, store: AnswerStore, guard: Guard) -> None:
        self._database = database
        self._store = store
        self.guard = guard

    async def settle_rating(self, work: Work, *, age_restricted: bool) -> None:
        """A mature story that lacks something by now (the admins' leave, its channel's restriction, the moderation
        service) becomes a teen one, and stays that until somebody rates it anew."""
        if work.conversation.rating is not Rating.MATURE:
            return
        async with self._database.transaction() as session:
            settings = await GuildRepository(session).settings(work.conversation.guild_id)
            rating = effective_rating(
                work.conversation.rating,
                settings,
                moderated=self.guard.moderated,
                age_restricted=age_restricted,
            )
            if rating is not work.conversation.rating:
                row = await ConversationRepository(session).get(work.conversation.id)
                row.rating = rating
        work.conversation.rating = rating

    async def block(self, work: Work, error: OutputBlocked) -> None:
        """Nothing of the answer is kept but that it was blocked."""
        spot = Spot.of(work.conversation, work.job.member_id)
        await self._store.block(work, event_of(Direction.OUTPUT, error.categories, spot))
        self.guard.tell(error.categories)

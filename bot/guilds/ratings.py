"""How the stories are rated: read and changed by members, within what the server's settings and its channels allow."""

from __future__ import annotations

from bot.conversations.repository import ConversationRepository
from bot.database.connection import Database
from bot.database.tables import ConversationStatus, Rating
from bot.guilds.repository import GuildRepository
from bot.guilds.rules import check_rating


class Ratings:
    """The ratings of the stories. `moderated` says that a moderation service is set."""

    def __init__(self, database: Database, *, moderated: bool) -> None:
        self._database = database
        self._moderated = moderated

    async def of_thread(self, thread_id: int) -> Rating | None:
        """The rating of the story in a thread; None where there is no story."""
        async with self._database.reading() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id)
        return conversation.rating if conversation is not None else None

    async def change(self, thread_id: int, rating: Rating, *, age_restricted: bool) -> bool:
        """Rate the story in a thread, from its next answer on. False where no story is written there.

        Raises:
            MatureRefused: nothing changed.
        """
        async with self._database.transaction() as session:
            conversation = await ConversationRepository(session).by_thread(thread_id, lock=True)
            if conversation is None or conversation.status != ConversationStatus.OPEN:
                return False
            settings = await GuildRepository(session).settings(conversation.guild_id)
            check_rating(rating, settings, moderated=self._moderated, age_restricted=age_restricted)
            conversation.rating = rating
        return True

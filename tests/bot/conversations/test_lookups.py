"""Pages that members put into a story: where they stand, and when they go."""

from __future__ import annotations

import pytest

from bot.conversations.errors import NoStoryHere, NothingToAnswer
from bot.conversations.lookups import AlreadyInContext
from bot.conversations.turns import Said
from bot.database.connection import Database
from bot.database.tables import CanonNote
from model.engine.fake import FakeEngine
from model.wikipedia import Page
from tests.bot.answers.writing import desk
from tests.model.worker.conftest import fake_model

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

DUNE = Page("Dune", "en", "A novel of 1965.", "wikipedia", "https://en.wikipedia.org/wiki/Dune", 7)
NOTE = "[Notes]\nDune (en)\nA novel of 1965.\n[End of notes]\n\n"


def told(engine: FakeEngine) -> list[str]:
    return [content for role, content in engine.requests[-1].messages if role == "user"]


async def test_a_page_stands_before_the_next_message(database: Database) -> None:
    engine = FakeEngine(replies=["One.", "Two."])
    async with desk(database, [fake_model(engine)]) as at:
        await at.begin("a story")
        await at.conversations.use_page(at.thread, DUNE, 99)
        await at.say("go on")
    assert told(engine) == ["a story", f"{NOTE}go on"]


async def test_before_the_message_that_waits_for_its_answer_where_one_does(database: Database) -> None:
    engine = FakeEngine(replies=["One.", "Two."])
    async with desk(database, [fake_model(engine)]) as at:
        await at.begin("a story")
        await at.conversations.say(Said(at.thread, 77, 1, "member 1", "go on"))
        await at.conversations.use_page(at.thread, DUNE, 99)
        await at.work()
    assert told(engine) == ["a story", f"{NOTE}go on"]


async def test_it_is_used_once_and_goes_with_the_message_that_shows_it(database: Database) -> None:
    engine = FakeEngine(replies=["One.", "One. Two.", "Three."])
    async with desk(database, [fake_model(engine)]) as at:
        await at.begin("a story")
        note = await at.conversations.use_page(at.thread, DUNE, 99)
        with pytest.raises(AlreadyInContext):
            await at.conversations.use_page(at.thread, DUNE, 100)
        await at.conversations.delete([99])
        async with database.transaction() as session:
            assert await session.get(CanonNote, note.id) is None
        await at.say("go on")
    assert told(engine) == ["a story", "go on"]


async def test_without_a_story_or_anything_in_it_there_is_no_place_for_a_page(database: Database) -> None:
    async with desk(database, [fake_model(FakeEngine(replies=["One."]))]) as at:
        await at.begin("a story")
        with pytest.raises(NoStoryHere):
            await at.conversations.use_page(5, DUNE, 99)
        await at.conversations.undo(at.thread)
        with pytest.raises(NothingToAnswer):
            await at.conversations.use_page(at.thread, DUNE, 99)

"""How many look-ups an answer may ask for, and that later answers' work as the first one's."""

from __future__ import annotations

import pytest

from bot.database.connection import Database
from model.engine.fake import FakeEngine
from tests.bot.answers.writing import desk
from tests.model.worker.conftest import fake_model

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PRIDE = ">>> Pride and Prejudice\n>>> en"
HOTH = ">>> Hoth\n>>> en"
HOLMES = ">>> Sherlock Holmes\n>>> en"


async def test_an_answer_may_look_up_twice_once_before_it_and_once_at_its_end(database: Database) -> None:
    engine = FakeEngine(replies=[PRIDE, f"Mary says yes.\n\n{HOTH}", "Three."])
    async with desk(database, [fake_model(engine)]) as at:
        answer = await at.begin("what if?")
        assert answer.content == "Mary says yes."
        titles = [note.title for note in at.scene(answer).notes]
        assert len(titles) == 2
        assert "Pride and Prejudice" in titles[0]
        assert "Hoth" in titles[1]
        await at.say("and then?")
    first, second = (content for role, content in engine.requests[-1].messages if role == "user")
    assert "Jane Austen" in first
    assert "Hoth" in second


async def test_a_second_answer_that_is_nothing_but_a_look_up_is_not_followed(database: Database) -> None:
    engine = FakeEngine(replies=[PRIDE, HOTH, "Three."])
    async with desk(database, [fake_model(engine)]) as at:
        answer = await at.begin("what if?")
    assert len(engine.requests) == 2
    assert len(at.scene(answer).notes) == 1
    assert at.scene(answer).shown[-1][0].startswith("I have nothing to say to that.")


async def test_an_answer_that_goes_on_and_on_looks_up_no_third_page(database: Database) -> None:
    replies = [f"One.\n\n{PRIDE}", f"One. Two.\n\n{HOTH}", f"One. Two. Three.\n\n{HOLMES}"]
    async with desk(database, [fake_model(FakeEngine(replies=replies))]) as at:
        answer = await at.begin("what if?")
        for _ in range(2):
            await at.conversations.go_on(answer.id, 1, None)
            answer = await at.work()
    assert answer.content == "One. Two. Three."
    assert len(at.scene(answer).notes) == 2


async def test_a_look_up_of_a_later_answer_works_as_that_of_the_first(database: Database) -> None:
    engine = FakeEngine(replies=[f"One.\n\n{PRIDE}", f"Two.\n\n{HOTH}", "Three."])
    async with desk(database, [fake_model(engine)]) as at:
        await at.begin("what if?")
        second = await at.say("and then?")
        assert (second.content, second.lookup_term) == ("Two.", "Hoth")
        assert ["Hoth" in note.title for note in at.scene(second).notes] == [True]
        await at.say("and in the end?")
    users = [content for role, content in engine.requests[-1].messages if role == "user"]
    assert ["Jane Austen" in content for content in users] == [False, True, False]
    assert ["(en)\n" in content and "Hoth" in content for content in users] == [False, False, True]
    said = [content for role, content in engine.requests[-1].messages if role == "assistant"]
    assert said == [f"One.\n\n{PRIDE}", f"Two.\n\n{HOTH}"]

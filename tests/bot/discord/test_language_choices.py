"""Naming one of the forty languages in a command: by its own name, the reader's, English, and from the list or not."""

from __future__ import annotations

import pytest

from bot.conversations.errors import UnknownLanguage
from bot.database.connection import Database
from bot.discord.story.languages import language_choices, named_language
from bot.words import words_in
from model.engine.fake import FakeEngine
from tests.bot.world import open_world
from tests.model.wikipedia.conftest import StandIn, answering, pages, stand_in

__all__ = ["stand_in"]

NAMED = [
    ("fr", "allemand", "de"),
    ("ru", "немецкий", "de"),
    ("ja", "ドイツ語", "de"),
    ("fa", "آلمانی", "de"),
    ("en", "germ", "de"),
    ("fr", "deuts", "de"),
    ("en", "mandarin", "zh"),
    ("en", "mandar", "zh"),
    ("en", "farsi", "fa"),
    ("en", "sv", "sv"),
    ("en", "swe", "sv"),
]


@pytest.mark.parametrize(("reader", "typed", "code"), NAMED)
def test_a_language_is_suggested_and_understood_by_each_of_its_names(
    reader: str, typed: str, code: str
) -> None:
    assert language_choices(typed, words_in(reader))[0].value == code
    assert named_language(typed, words_in(reader)).code == code


def test_it_is_shown_by_its_own_name_and_by_the_readers() -> None:
    assert [choice.name for choice in language_choices("allem", words_in("fr"))] == ["Deutsch · allemand"]
    assert [choice.name for choice in language_choices("deut", words_in("de"))] == ["Deutsch"]
    assert len(language_choices("", words_in("en"))) == 25


@pytest.mark.parametrize("typed", ["klingon", " "])
def test_what_is_no_language_is_refused(typed: str) -> None:
    with pytest.raises(UnknownLanguage):
        named_language(typed, words_in("en"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_story_begins_in_the_language_that_was_half_typed_and_in_none_that_is_not_known(
    database: Database,
) -> None:
    async with open_world(database, FakeEngine(replies=["Eins."])) as world:
        refused = await world.members[0].slash(
            world.channel, "story start", prompt="a dragon", language="klingon"
        )
        assert "I do not know that language" in await world.reply(refused)
        assert refused.ephemeral
        assert world.threads == []
        thread = await world.start_story("a dragon", language="germ")
        await world.answered(thread)
        assert "German (de)" in world.engine.requests[-1].messages[0][1]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_canon_is_looked_up_in_the_language_that_was_half_typed_and_in_none_that_is_not_known(
    database: Database, stand_in: StandIn
) -> None:
    stand_in.answer = answering(pages({"title": "Dune", "extract": "Ein Roman."}))
    async with open_world(database, FakeEngine(), wikipedia_url=stand_in.url_template) as world:
        refused = await world.members[0].slash(world.channel, "canon", term="Dune", language="klingon")
        assert "I do not know that language" in await world.reply(refused)
        assert await world.members[0].autocomplete(
            world.channel, "canon", "term", "faust", language="klingon"
        )
        found = await world.members[0].slash(world.channel, "canon", term="Dune", language="germ")
        await world.until(lambda: found.response is not None and found.response.embeds)
        assert stand_in.requests[-1].path.startswith("/de/")

"""The prompt taken apart: what is told, what is not, and that the tokens add up."""

from __future__ import annotations

import pytest

from bot.answers.insight import Insight, Kind, PromptInsight
from bot.conversations.errors import NoStoryHere
from bot.database.connection import Database
from bot.database.tables import CanonNote, Summary
from bot.discord.story.context import bar, context_embeds, prompt_file
from bot.words import words_in
from model.engine.fake import FakeEngine
from tests.bot.answers.writing import desk
from tests.model.worker.conftest import fake_model

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def look(
    database: Database, *, context_length: int = 8192, turns: int = 2, summary: bool = False
) -> Insight:
    engine = FakeEngine(replies=["An answer about dragons. " * 10] * (turns + 1))
    async with desk(database, [fake_model(engine, context_length=context_length)], max_tokens=200) as at:
        first = await at.begin("a dragon")
        await at.conversations.pin(at.thread, 1, "The dragon is called Otto.")
        async with database.transaction() as session:
            common = {"conversation_id": first.conversation_id, "message_id": first.id}
            session.add(CanonNote(**common, title="Dragon", language="en", extract="Big.", source="bundled"))
            if summary:
                session.add(Summary(**common, text="They met."))
        for number in range(turns):
            await at.say(f"and then? ({number})")
        insight = PromptInsight(database, at.worker, max_answer_tokens=200)
        with pytest.raises(NoStoryHere):
            await insight.look(5)
        return await insight.look(at.thread)


async def test_every_part_of_the_prompt_is_there_with_its_tokens(database: Database) -> None:
    insight = await look(database)
    assert [part.text for part in insight.of(Kind.BIBLE)] == ["- The dragon is called Otto."]
    assert [part.title for part in insight.of(Kind.CANON)] == ["Dragon"]
    turns = [(part.title, part.text) for part in insight.of(Kind.TURN)]
    assert [role for role, _ in turns] == ["user", "assistant"] * 3
    assert turns[0][1] == "a dragon"
    assert all(part.tokens > 0 for part in insight.parts)
    assert insight.frame + sum(part.tokens for part in insight.parts) == insight.tokens
    assert (insight.window, insight.reserve, insight.dropped, insight.summed_up) == (8192, 200, 0, 0)


async def test_what_the_summary_tells_and_what_finds_no_room_is_counted(database: Database) -> None:
    insight = await look(database, context_length=1100, turns=8, summary=True)
    assert insight.of(Kind.SUMMARY)[0].text.endswith("They met.")
    assert insight.summed_up == 2
    assert insight.dropped > 0
    assert insight.summed_up + insight.dropped + len(insight.of(Kind.TURN)) == 18
    assert insight.tokens + insight.reserve <= insight.window


async def test_the_pages_show_it_in_words(database: Database) -> None:
    insight = await look(database, summary=True)
    embeds = context_embeds(insight, words_in("en"))
    overview = str(embeds[0].description)
    assert "of 8,192 tokens are in use; 200 are kept for the answer." in overview
    assert "Story bible (1)" in overview
    assert "2 older messages are told by the summary." in overview
    details = "\n".join(str(embed.description) for embed in embeds[1:])
    for text in ("The dragon is called Otto.", "They met.", "**Dragon** Big.", "**You:** and then? (1)"):
        assert text in details
    assert all(len(str(embed.description)) <= 4096 for embed in embeds)


async def test_many_parts_take_several_pages_and_the_file_has_all(database: Database) -> None:
    insight = await look(database, turns=22)
    assert len(context_embeds(insight, words_in("en"))) > 2
    text = prompt_file(insight).fp.read().decode()
    assert text.count("=== user ===") == 23
    assert "[Story bible: this holds throughout the story]\n- The dragon is called Otto." in text


async def test_the_bar_shows_what_is_used_free_and_kept(database: Database) -> None:
    insight = await look(database, context_length=1100, turns=8)
    shown = bar(insight)
    assert len(shown) == 20
    assert shown == "█" * shown.count("█") + "░" * shown.count("░") + "▒" * shown.count("▒")
    assert shown.count("▒") == 4
    assert shown.count("█") > 10

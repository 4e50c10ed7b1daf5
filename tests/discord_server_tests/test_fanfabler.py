"""The project's own bot on this Discord, over real HTTP and WebSockets on both sides: a whole conversation, rate
limits, lost connections, and a bot that is killed in the middle of an answer."""

from __future__ import annotations

import asyncio

import pytest
from discord import Permissions, Thread

from bot.discord.client import FanFabler
from tests.discord_server import Channel

from .conftest import Scene
from .fanfabler import LONG, Stage, running, spawn_bot


async def test_a_whole_conversation(stage: Stage) -> None:
    stage.engine.script(
        "Here is your dragon.", "And @everyone has a castle.\n\n>>> Pride and Prejudice\n>>> en"
    )
    async with running(stage):
        thread = await stage.start_story("a dragon, please")
        (first,) = await stage.finished(thread)
        assert first.content == "Here is your dragon."
        assert "a dragon, please" in stage.channel.written[0].content
        await stage.alice.send(thread, "and a castle")
        answers = await stage.finished(thread, 2)
        await stage.discord.wait_for(lambda: any(m.embeds for m in stage.own(thread)), what="the page")
        assert "castle" in answers[1].content
        assert ">>>" not in "".join(m.content for m in stage.own(thread))
        assert not any(message.pings for message in thread.all_messages)


async def test_a_streamed_answer_gets_through_real_429s_whole(stage: Stage) -> None:
    stage.engine.script(LONG)
    stage.engine.tokens_per_second = 250
    stage.discord.limits.set("message-edit", 3, 1.0)
    edits = "PATCH /channels/*/messages/*"
    stage.discord.faults.next(edits, status=429, retry_after=0.3, skip=1)
    stage.discord.faults.next(edits, status=429, retry_after=0.3, scope="global", skip=1)
    stage.discord.faults.next(edits, status=502, skip=2)
    async with running(stage):
        thread = await stage.start_story("a long one")
        messages = await stage.finished(thread)
        assert " ".join(message.content for message in messages) == LONG
        assert len(stage.discord.requests.to(edits).with_status(429)) >= 2
        assert stage.discord.faults.clear() == 0


@pytest.mark.parametrize("resume", [True, False])
async def test_the_gateway_goes_away_in_the_middle_of_an_answer(stage: Stage, resume: bool) -> None:
    stage.engine.script(LONG, "I was away, but I heard you.")
    async with running(stage):
        thread = await stage.start_story("a long one")
        await stage.discord.wait_for(lambda: len(stage.own(thread)[0].content) > 50)
        stage.discord.gateway.drop(resume=resume)
        await stage.alice.send(thread, "are you there?")
        await stage.discord.gateway.connected(timeout=20)
        messages = await stage.finished(thread, 2)
        assert " ".join(message.content for message in messages[:-1]) == LONG
        assert messages[-1].content == "I was away, but I heard you."
        assert stage.discord.gateway.identifies == (1 if resume else 2)


async def test_a_bot_that_is_killed_goes_on_where_it_was(stage: Stage) -> None:
    stage.engine.script(LONG, LONG)
    stage.engine.tokens_per_second = 150
    stage.environment["LEASE_SECONDS"] = "2"
    process = await spawn_bot(stage)
    thread = await stage.start_story("a long one")
    await stage.discord.wait_for(lambda: len(stage.own(thread)[0].content) > 200)
    process.kill()
    await process.wait()
    again = await spawn_bot(stage)
    try:
        messages = await stage.finished(thread)
        assert " ".join(message.content for message in messages) == LONG
        assert stage.engine.requests[-1].continues
        result = await stage.alice.click(messages[-1], "👍")
        assert result.acknowledged
    finally:
        again.terminate()
        await again.wait()


async def test_two_clicks_at_once_make_one_answer(stage: Stage) -> None:
    stage.engine.script("First.", "Second.", "Third.")
    async with running(stage):
        thread = await stage.start_story("a dragon")
        (answer,) = await stage.finished(thread)
        clicks = await asyncio.gather(*(stage.alice.click(answer, "🔄") for _ in range(3)))
        assert all(click.acknowledged for click in clicks)
        await stage.discord.wait_for(lambda: stage.own(thread)[0].content == "Second.", what="the new answer")
        await stage.finished(thread)
        assert len(stage.engine.requests) == 2


async def test_the_model_names_the_thread_once_and_a_member_may_rename_it(stage: Stage) -> None:
    stage.environment["THREAD_TITLES"] = "true"
    stage.engine.script(
        "Es war einmal ein Drache.", "Das Lied des Drachen", "Es war keiner da.", "Noch ein Titel"
    )
    async with running(stage) as bot:
        thread = await stage.start_story("einen Drachen, bitte")
        assert thread.name == "einen Drachen, bitte"
        (answer,) = await stage.finished(thread)
        await stage.discord.wait_for(lambda: thread.name == "Das Lied des Drachen", what="the title")
        await stage.alice.click(answer, "🔄")
        await stage.discord.wait_for(
            lambda: stage.own(thread)[0].content == "Es war keiner da.", what="a sibling"
        )
        await stage.discord.wait_for(lambda: bot.parts.dispatcher.running == 0)
        assert len(stage.engine.requests) == 3, "a thread with a title is asked none"
        renames = stage.discord.requests.to(f"PATCH /channels/{thread.id}")
        assert len(renames) == 1


async def test_a_title_that_a_member_gave_meanwhile_stays(stage: Stage, scene: Scene) -> None:
    stage.environment["THREAD_TITLES"] = "true"
    stage.alice.set_roles(
        scene.guild.create_role("keepers", permissions=Permissions(manage_threads=True).value)
    )
    stage.engine.script("There was a dragon. " * 20, "Das Lied des Drachen")
    stage.engine.tokens_per_second = 60
    async with running(stage) as bot:
        thread = await stage.start_story("a dragon, please")
        await stage.discord.wait_for(lambda: "dragon" in stage.own(thread)[0].content, what="the first words")
        await stage.alice.edit_thread(thread, name="Our dragon")
        await stage.finished(thread)
        await stage.discord.wait_for(lambda: bot.parts.dispatcher.running == 0)
        assert thread.name == "Our dragon"


async def test_a_story_is_changed_taken_back_closed_and_opened_again(stage: Stage) -> None:
    stage.engine.script("Eins.", "Zwei.", "Drei.")
    async with running(stage):
        thread = await stage.start_story("einen Drachen, bitte")
        await stage.finished(thread)
        mine = await stage.alice.send(thread, "und eine Burg")
        await stage.finished(thread, 2)
        await stage.alice.edit(mine, "und zwei Burgen")
        offer = await stage.discord.wait_for(lambda: stage.own(thread)[2:], what="the offer to answer anew")
        await stage.alice.click(offer[0], "🔄")
        await stage.discord.wait_for(
            lambda: texts(stage, thread) == ["Eins.", "Drei."], what="the new answer"
        )
        await stage.finished(thread, 2)
        await stage.alice.slash(thread, "story undo")
        await stage.discord.wait_for(lambda: texts(stage, thread)[1] != "Drei.", what="the note")
        await stage.alice.click(stage.own(thread)[1], "🌿")
        await stage.discord.wait_for(lambda: texts(stage, thread)[1] == "Drei.", what="the answer again")
        await stage.alice.slash(thread, "story close")
        await stage.discord.wait_for(lambda: thread.archived, what="the archive")
        await stage.alice.send(thread, "hallo?")  # Discord's clients take no presses in an archived thread
        await stage.alice.click(stage.own(thread)[-1], "📖")
        await stage.discord.wait_for(
            lambda: not stage.own(thread)[-1].buttons, what="the note that it is open"
        )
        assert len(stage.engine.requests) == 3


@pytest.mark.parametrize("visibility", ["public", "private"])
async def test_a_story_goes_on_where_the_bot_is_let_in_again(
    stage: Stage, scene: Scene, visibility: str
) -> None:
    stage.engine.script("One.", "Two.")
    async with running(stage) as bot:
        await stage.alice.slash(stage.channel, "story start", prompt="a dragon", visibility=visibility)
        thread = await stage.discord.wait_for(lambda: stage.channel.threads[0], what="the thread")
        await stage.finished(thread)
        if visibility == "private":
            inside = bot.get_channel(thread.id)
            assert isinstance(inside, Thread)
            await inside.leave()
            bot.dispatch("thread_remove", inside)  # which this Discord tells nobody who is out already
        else:
            scene.guild.remove_bot()
        await until_lost(bot)
        if visibility == "public":
            scene.guild.add_bot()
        await stage.alice.send(thread, f"<@{bot.application_id}> and a castle")
        await stage.finished(thread, 2)
        assert texts(stage, thread) == ["One.", "Two."]
        asked = [content for role, content in stage.engine.requests[-1].messages if role != "system"]
        assert asked == ["a dragon", "One.", "and a castle"]


async def until_lost(bot: FanFabler) -> None:
    async with asyncio.timeout(10):
        while await bot.parts.conversations.last_seen():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("told", [True, False])
async def test_a_history_that_may_not_be_read_is_not_taken_for_one_that_was_deleted(
    stage: Stage, scene: Scene, told: bool
) -> None:
    def asked() -> list[str]:
        return [content for role, content in stage.engine.requests[-1].messages if role != "system"]

    stage.engine.script("First.", "Second.", "Third.")
    history = Permissions(read_message_history=True).value
    async with running(stage) as bot:
        thread = await stage.start_story("a dragon, please")

        def believes_to_read() -> bool:
            return bot.get_channel(thread.id).permissions_for(bot.guilds[0].me).read_message_history

        await stage.finished(thread)
        await stage.discord.wait_for(lambda: bot.parts.dispatcher.running == 0)
        if not told:
            stage.discord.drop_event("CHANNEL_UPDATE")
        stage.channel.set_overwrite(scene.guild, deny=history)
        await stage.discord.wait_for(lambda: believes_to_read() != told)
        bot.dispatch("ready")
        castle = await stage.alice.send(thread, "and a castle")
        await stage.finished(thread, 2)
        assert asked() == ["a dragon, please", "First.", "and a castle"]
        assert texts(stage, thread) == ["First.", "Second."]
        requests = stage.discord.requests.to(f"GET /channels/{thread.id}/messages")
        assert len([r for r in requests if "before" in r.query]) == (0 if told else 1)
        stage.channel.set_overwrite(scene.guild, allow=history)
        await stage.discord.wait_for(believes_to_read)
        stage.discord.drop_event("MESSAGE_DELETE")
        await stage.alice.delete(castle)
        await stage.alice.send(thread, "and a cat")
        await stage.finished(thread, 3)
        assert asked() == ["a dragon, please", "First.\n\nSecond.", "and a cat"]


def texts(stage: Stage, thread: Channel) -> list[str]:
    return [message.content for message in stage.own(thread)]

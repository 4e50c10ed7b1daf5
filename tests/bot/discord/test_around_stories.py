"""Ways in, buttons, refusals and oddities: the whole bot on a simulated Discord. What the database has to do with it
is in `test_stories`, on both databases; here SQLite is enough."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import Conversation, Message, Role
from model.engine.fake import FakeEngine
from tests.bot.world import open_world
from tests.model.worker.conftest import fake_model, listening

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LONG = " ".join(f"Sentence number {n} of a long story." for n in range(120))


async def test_an_answer_shows_while_it_is_written(database: Database) -> None:
    engine = FakeEngine(replies=[LONG], tokens_per_second=600)
    async with open_world(database, engine) as world:
        thread = await world.start_story("a long one")
        await world.until(lambda: any("Stop" in m.buttons for m in world.shown(thread)))
        seen = set()
        while "Again" not in world.shown(thread)[-1].buttons:
            seen.add(world.texts(thread)[-1])
            await asyncio.sleep(0.05)
        assert len(seen) >= 3


async def test_a_long_answer_goes_on_in_further_messages(database: Database) -> None:
    engine = FakeEngine(replies=[LONG])
    async with open_world(database, engine, max_answer_tokens=2000) as world:
        messages = await world.answered(await world.start_story("a long one"))
        assert len(messages) == 3
        assert " ".join(m.content for m in messages) == LONG
        assert [bool(m.buttons) for m in messages] == [False, False, True]


async def test_an_empty_answer_is_said_to_be_one(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["   "])) as world:
        (message,) = await world.answered(await world.start_story("hm"))
        assert message.content.startswith("I have nothing to say")


async def test_strangers_cannot_steer_a_story_and_are_told_so(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Mine."])) as world:
        thread = await world.start_story("a dragon", member=1)
        (message,) = await world.answered(thread)
        result = await world.press(message, "Again", member=2)
        assert "Only those who write in this story" in await world.reply(result)
        assert world.texts(thread) == ["Mine."]


async def test_anybody_may_rate(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Mine."])) as world:
        thread = await world.start_story("a dragon", member=1)
        (message,) = await world.answered(thread)
        result = await world.press(message, "👍", member=2)
        assert "Noted" in await world.reply(result)
        assert result.ephemeral


async def test_a_mention_begins_a_story_on_that_message(database: Database) -> None:
    engine = FakeEngine(replies=["From a mention."])
    async with open_world(database, engine) as world:
        assert world.bot.user is not None
        await world.members[0].send(world.channel, f"<@{world.bot.user.id}> write me a heist")
        await world.until(lambda: world.threads)
        messages = await world.answered(world.threads[0])
        assert messages[0].content == "From a mention."
        assert engine.requests[0].messages[-1] == ("user", "write me a heist")


async def test_a_message_command_begins_a_story_from_that_message(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["About that."])) as world:
        message = await world.members[1].send(world.channel, "What if the lighthouse wrote back?")
        await world.members[0].context_menu(world.channel, "Write about this", message)
        await world.until(lambda: world.threads)
        assert (await world.answered(world.threads[0]))[0].content == "About that."


async def test_what_a_story_was_begun_from_stays_its_authors(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["About that."])) as world:
        presser, author, third = world.members[:3]
        message = await author.send(world.channel, "What if the lighthouse wrote back?")
        await presser.context_menu(world.channel, "Write about this", message)
        await world.until(lambda: world.threads)
        await world.answered(world.threads[0])
        async with database.reading() as session:
            story = (await session.scalars(select(Conversation))).one()
            first = (await session.scalars(select(Message).where(Message.role == Role.USER))).one()
        assert (story.opener_id, first.author_id, first.discord_message_id) == (
            presser.id,
            author.id,
            message.id,
        )
        result = await third.context_menu(world.channel, "Write about this", message)
        assert "There is a story here already" in await world.reply(result)
        await world.bot.parts.conversations.delete([message.id])
        async with database.reading() as session:
            assert (await session.get_one(Message, first.id)).content == ""


async def test_a_private_story_is_seen_by_its_writer_alone(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Psst."])) as world:
        thread = await world.start_story("a secret", visibility="private")
        await world.answered(thread)
        assert world.env.backend.channels[thread].type == 12
        assert world.texts(world.channel.id) == []


async def test_generated_mentions_ping_nobody(database: Database) -> None:
    text = "@everyone and @here, come <@1> and <@&2>!"
    async with open_world(database, FakeEngine(replies=[text])) as world:
        thread = await world.start_story("shout")
        (message,) = await world.answered(thread)
        seen = message.stored.message
        assert not seen.mention_everyone
        assert not seen.mentions
        assert not seen.role_mentions


async def test_the_answer_speaks_the_readers_language_on_its_buttons(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["Ein Drache."])) as world:
        world.env.backend.set_locale(world.members[0].id, "de")
        thread = await world.start_story("ein Drache, bitte")
        (message,) = await world.answered(thread)
        assert "Weiter" in message.buttons
        system = world.engine.requests[0].messages[0][1]
        assert "German (de)" in system


async def test_the_language_can_be_chosen(database: Database) -> None:
    async with open_world(database, FakeEngine(replies=["용."])) as world:
        await world.answered(await world.start_story("a dragon", language="ko"))
        assert "Korean (ko)" in world.engine.requests[0].messages[0][1]


async def test_those_who_wait_see_their_place(database: Database) -> None:
    engine = FakeEngine(replies=["Slow. " * 60, "Mine."], tokens_per_second=40)
    async with open_world(database, engine, worker_slots=1) as world:
        slow = await world.start_story("first", member=0)
        await world.until(lambda: engine.load.running == 1)
        waiting = await world.start_story("second", member=1)
        await world.until(lambda: any("number 1 in the queue" in text for text in world.texts(waiting)))
        listed = await world.members[1].slash(world.channel, "queue")
        assert f"<#{waiting}>: number 1" in await world.reply(listed)
        await world.press(world.shown(slow)[-1], "Stop")
        messages = await world.answered(waiting)
        assert [m.content for m in messages] == ["Mine."], "the notice becomes the answer"


async def test_a_waiting_request_can_be_stopped(database: Database) -> None:
    engine = FakeEngine(replies=["Slow. " * 100], tokens_per_second=40)
    async with open_world(database, engine, worker_slots=1) as world:
        await world.start_story("first", member=0)
        await world.until(lambda: engine.load.running == 1)
        waiting = await world.start_story("second", member=1)
        await world.until(lambda: any("Stop" in m.buttons for m in world.shown(waiting)))
        await world.press(world.shown(waiting)[-1], "Stop", member=1)
        await world.until(lambda: world.texts(waiting) == ["⏹️ Stopped before I had written anything."])
        assert len(engine.requests) == 1


async def test_a_message_that_somebody_deletes_meanwhile_is_posted_again(database: Database) -> None:
    engine = FakeEngine(replies=[LONG[:900]], tokens_per_second=80)
    async with open_world(database, engine) as world:
        thread = await world.start_story("a long one")
        await world.until(lambda: any("Sentence number 2" in text for text in world.texts(thread)))
        await world.members[0].delete(world.shown(thread)[-1].stored)
        (message,) = await world.answered(thread)
        assert message.content == LONG[:900].strip()


async def test_a_look_up_that_was_not_finished_is_never_shown(database: Database) -> None:
    engine = FakeEngine(
        replies=["Let me see.\n\n>>> Pride and Prejudice\n>>> en and so on " * 3], tokens_per_second=60
    )
    async with open_world(database, engine) as world:
        thread = await world.start_story("P&P")
        await world.until(lambda: any("Stop" in m.buttons for m in world.shown(thread)))
        await world.press(world.shown(thread)[-1], "Stop")
        await world.answered(thread)
        assert ">>>" not in "".join(version for version in world.texts(thread))


async def test_a_story_in_a_busy_queue_stays_readable_while_more_of_it_waits(database: Database) -> None:
    engine = FakeEngine(replies=["Once upon a time.", "Slow. " * 80], tokens_per_second=40)
    async with open_world(database, engine, worker_slots=1) as world:
        first = await world.start_story("mine", member=0)
        (message,) = await world.answered(first)
        await world.start_story("slow", member=1)
        await world.until(lambda: engine.load.running == 1)
        await world.press(message, "Go on")
        await world.until(lambda: "number 1 in the queue" in world.texts(first)[0])
        assert world.texts(first)[0].startswith("Once upon a time.")


async def test_a_worker_that_refuses_is_said_with_a_button_to_try_again(database: Database) -> None:
    answers = iter([web.json_response({"error": {"message": "no such parameter"}}, status=400)])

    async def models(_: web.Request) -> web.Response:
        return web.json_response(
            {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "x"}]}
        )

    async def refuse(_: web.Request) -> web.Response:
        return next(answers)

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/chat/completions", refuse)
    async with TestServer(app) as server:
        url = str(server.make_url("/v1"))
        async with open_world(database, FakeEngine(), worker_url=url) as world:
            thread = await world.start_story("a dragon")
            await world.until(lambda: any("Try again" in m.buttons for m in world.shown(thread)))
            assert "could not take this request" in world.texts(thread)[-1]


async def test_a_worker_that_is_away_is_waited_for(database: Database, unused_tcp_port: int) -> None:
    engine = FakeEngine(replies=["There it is."])
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    async with open_world(database, engine, worker_url=url) as world:
        thread = await world.start_story("a dragon")
        await asyncio.sleep(1)
        async with listening([fake_model(engine)], port=unused_tcp_port):
            (message,) = await world.answered(thread)
            assert message.content == "There it is."

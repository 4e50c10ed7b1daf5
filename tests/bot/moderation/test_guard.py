"""What is let through for which rating, what is noted, and what happens while the service is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from bot.conversations.repository import ConversationRepository
from bot.conversations.service import ConversationService
from bot.conversations.turns import Said
from bot.database.connection import Database
from bot.database.tables import Conversation, Message, ModerationEvent, Rating
from bot.moderation.categories import BLOCKED, REPORTED, Category, blocked
from bot.moderation.guard import Guard, InputBlocked, Spot
from bot.moderation.reports import DueReports
from bot.moderation.service import ModerationAway
from tests.bot.moderation.stub import StubService, service_at, stub_service
from tests.bot.rows import LIMITS, branch, opening

FLAGS = {"heron": ("sexual", "S12"), "anvil": ("sexual/minors", "S4"), "thunder": ("violence", "S1")}
SPOT = Spot(10, 20, 1, Rating.TEEN)
THREAD = 77


@pytest.fixture
async def stub() -> AsyncIterator[StubService]:
    async with stub_service(flags=FLAGS) as running:
        yield running


def conversations(database: Database, guard: Guard) -> ConversationService:
    return ConversationService(database, LIMITS, lambda: None, guard=guard)


async def events(database: Database) -> list[ModerationEvent]:
    async with database.transaction() as session:
        return list(await session.scalars(select(ModerationEvent).order_by(ModerationEvent.id)))


def test_nothing_sexual_about_minors_in_any_rating() -> None:
    assert all(Category.SEXUAL_MINORS in BLOCKED[rating] for rating in Rating)
    assert Category.SEXUAL_MINORS in REPORTED


def test_every_rating_bears_what_the_next_stricter_one_bears() -> None:
    assert BLOCKED[Rating.MATURE] < BLOCKED[Rating.TEEN] < BLOCKED[Rating.GENERAL]


@pytest.mark.parametrize("rating", Rating)
def test_that_a_story_is_about_somebodys_work_or_has_a_fight_in_it_is_not_blocked(rating: Rating) -> None:
    assert blocked({Category.PROPERTY, Category.VIOLENCE, Category.DEFAMATION}, rating) == frozenset()


async def test_a_flagged_message_becomes_no_row_only_the_fact_does(
    database: Database, stub: StubService
) -> None:
    async with service_at(stub) as service:
        with pytest.raises(InputBlocked) as caught:
            await conversations(database, Guard(database, service)).begin(opening(1, "a heron, please"))
    assert caught.value.categories == {Category.SEXUAL}
    async with database.transaction() as session:
        assert (await session.scalars(select(Message))).all() == []
        assert (await session.scalars(select(Conversation))).all() == []
    (event,) = await events(database)
    assert (event.guild_id, event.member_id, event.categories) == (10, 1, ["sexual"])
    assert not event.report_due


async def test_what_a_rating_bears_is_taken(database: Database, stub: StubService) -> None:
    async with service_at(stub) as service:
        guard = Guard(database, service)
        await guard.admit("a heron", Spot(10, 20, 1, Rating.MATURE))
        await guard.admit("thunder", SPOT)
    assert await events(database) == []


async def test_what_moderators_must_know_is_due_and_told_once(database: Database, stub: StubService) -> None:
    told: list[None] = []
    async with service_at(stub) as service:
        guard = Guard(database, service, on_report=lambda: told.append(None))
        for text in ("a heron", "an anvil"):
            with pytest.raises(InputBlocked):
                await guard.admit(text, SPOT)
    assert len(told) == 1
    reports = DueReports(database)
    (due,) = await reports.due()
    assert due.categories == ["sexual/minors"]
    await reports.told(due.id)
    assert await reports.due() == []
    assert len(await events(database)) == 2, "the events stay"


async def test_a_blocked_beginning_is_its_authors_and_not_of_whoever_chose_it(
    database: Database, stub: StubService
) -> None:
    async with service_at(stub) as service:
        story = conversations(database, Guard(database, service))
        with pytest.raises(InputBlocked):
            await story.begin(opening(1, "an anvil", author_id=2, author_name="Ben"))
    assert [event.member_id for event in await events(database)] == [2]


async def test_a_message_in_a_thread_and_its_later_wording_are_checked(
    database: Database, stub: StubService
) -> None:
    async with service_at(stub) as service:
        story = conversations(database, Guard(database, service))
        queued = await story.begin(opening(1, "a gull"), thread_id=THREAD)
        with pytest.raises(InputBlocked):
            await story.say(Said(THREAD, 1001, 1, "Ada", "and a heron"))
        await story.say(Said(THREAD, 1002, 1, "Ada", "and a tern"))
        with pytest.raises(InputBlocked):
            await story.edit(1002, "and a heron")
        assert await branch(database, queued.answer_id) == ["a gull", "and a tern", ""]


async def test_messages_keep_their_order_however_long_each_is_checked(
    database: Database, stub: StubService
) -> None:
    async with service_at(stub) as service:
        story = conversations(database, Guard(database, service))
        queued = await story.begin(opening(1, "a gull"), thread_id=THREAD)
        stub.seconds = 0.4
        first = asyncio.create_task(story.say(Said(THREAD, 1001, 1, "Ada", "first")))
        await asyncio.sleep(0.1)
        stub.seconds = 0.0
        await asyncio.gather(first, story.say(Said(THREAD, 1002, 1, "Ada", "second")))
        assert await branch(database, queued.answer_id) == ["a gull", "first", "second", ""]


async def test_a_message_that_is_known_already_is_not_checked_again(
    database: Database, stub: StubService
) -> None:
    async with service_at(stub) as service:
        story = conversations(database, Guard(database, service))
        await story.begin(opening(1, "a gull"), thread_id=THREAD)
        await story.say(Said(THREAD, 1001, 1, "Ada", "and a tern"))
        before = len(stub.requests)
        assert await story.say(Said(THREAD, 1001, 1, "Ada", "and a tern")) is None
        assert await story.say(Said(5, 1002, 1, "Ada", "elsewhere")) is None
        assert len(stub.requests) == before


@pytest.mark.parametrize(
    ("rating", "required", "waits"),
    [
        (Rating.TEEN, False, False),
        (Rating.GENERAL, False, False),
        (Rating.TEEN, True, True),
        (Rating.MATURE, False, True),
    ],
)
async def test_while_the_service_is_away_mature_stories_wait_and_others_where_it_is_required(
    database: Database, stub: StubService, rating: Rating, required: bool, waits: bool
) -> None:
    stub.away = True
    async with service_at(stub) as service:
        guard = Guard(database, service, required=required)
        spot = Spot(10, 20, 1, rating)
        if waits:
            with pytest.raises(ModerationAway):
                await guard.admit("a gull", spot)
        else:
            await guard.admit("a gull", spot)
        assert await guard.passes("A Gull", spot) is not waits
    assert await events(database) == []


async def test_a_title_that_is_flagged_does_not_pass_and_that_is_noted(
    database: Database, stub: StubService
) -> None:
    async with service_at(stub) as service:
        guard = Guard(database, service)
        assert await guard.passes("The Gull", SPOT)
        assert not await guard.passes("The heron", SPOT)
    assert [event.direction.value for event in await events(database)] == ["output"]


async def test_without_a_service_everything_goes_through_unasked(database: Database) -> None:
    guard = Guard(database)
    assert not guard.moderated
    await guard.admit("a heron on an anvil", SPOT)
    assert await guard.passes("a heron on an anvil", SPOT)
    async with database.transaction() as session:
        assert not await ConversationRepository(session).knows(1)

"""What admins set, what follows from it, and that all of it is in the server's log."""

from __future__ import annotations

import pytest

from bot.database.connection import Database
from bot.database.tables import QuotaSubject, Rating
from bot.guilds.administration import Administration, ChannelRule, Subject
from bot.guilds.ratings import Ratings
from bot.guilds.repository import GuildRepository
from bot.guilds.rules import ChannelClosed, MatureRefused
from tests.bot.rows import begin, opening, service

GUILD, CHANNEL, ADMIN = 10, 20, 9


async def log(database: Database) -> list[tuple[int, str, dict[str, object]]]:
    async with database.transaction() as session:
        entries = await GuildRepository(session).audit(GUILD)
    return [(entry.actor_id, entry.action, entry.details) for entry in reversed(entries)]


async def test_what_is_set_is_read_back_and_in_the_log(database: Database) -> None:
    administration = Administration(database)
    await administration.set_channel(GUILD, ADMIN, 1, ChannelRule.ALLOW)
    await administration.set_channel(GUILD, ADMIN, 2, ChannelRule.EXCLUDE)
    await administration.set_mature(GUILD, ADMIN, allowed=True)
    await administration.set_moderator_channel(GUILD, ADMIN, 3)
    row = await administration.settings(GUILD)
    assert (row.allowed_channels, row.excluded_channels) == ([1], [2])
    assert (row.mature, row.moderator_channel_id) == (True, 3)
    assert await log(database) == [
        (ADMIN, "settings channels", {"channel": 1, "rule": "allow"}),
        (ADMIN, "settings channels", {"channel": 2, "rule": "exclude"}),
        (ADMIN, "settings mature", {"allowed": True}),
        (ADMIN, "settings moderators", {"channel": 3}),
    ]


async def test_a_channel_is_in_one_list_at_most(database: Database) -> None:
    administration = Administration(database)
    await administration.set_channel(GUILD, ADMIN, 1, ChannelRule.ALLOW)
    row = await administration.set_channel(GUILD, ADMIN, 1, ChannelRule.EXCLUDE)
    assert (row.allowed_channels, row.excluded_channels) == (None, [1])
    row = await administration.set_channel(GUILD, ADMIN, 1, ChannelRule.NEITHER)
    assert (row.allowed_channels, row.excluded_channels) == (None, None)


async def test_quotas_are_set_replaced_and_removed_in_the_log(database: Database) -> None:
    administration, member = Administration(database), Subject(QuotaSubject.MEMBER, 7)
    await administration.set_quota(GUILD, ADMIN, member, 5, None)
    await administration.set_quota(GUILD, ADMIN, member, 9, 2)
    (quota,) = await administration.quotas(GUILD)
    assert (quota.answers_per_day, quota.concurrency) == (9, 2)
    assert await administration.remove_quota(GUILD, ADMIN, member)
    assert not await administration.remove_quota(GUILD, ADMIN, member)
    assert await administration.quotas(GUILD) == []
    assert [action for _, action, _ in await log(database)] == ["quota set", "quota set", "quota remove"]
    assert all(details["member"] == 7 for _, _, details in await log(database))


async def test_a_story_begins_only_where_the_admins_let_it(database: Database) -> None:
    await Administration(database).set_channel(GUILD, ADMIN, CHANNEL, ChannelRule.EXCLUDE)
    with pytest.raises(ChannelClosed):
        await begin(database, channel_id=CHANNEL)
    with pytest.raises(ChannelClosed):
        await begin(database, channel_id=21, place_ids=(21, CHANNEL))
    await begin(database, channel_id=99)
    await begin(database, channel_id=CHANNEL, guild_id=77)


async def test_a_mature_story_begins_only_with_all_that_it_needs(database: Database) -> None:
    with pytest.raises(MatureRefused):
        await begin(database, rating=Rating.MATURE, age_restricted=True)


async def test_a_story_is_rated_anew_within_the_rules(database: Database) -> None:
    await service(database).begin(opening(1), thread_id=77)
    ratings = Ratings(database, moderated=True)
    assert await ratings.of_thread(77) is Rating.TEEN
    assert await ratings.change(77, Rating.GENERAL, age_restricted=False)
    with pytest.raises(MatureRefused):
        await ratings.change(77, Rating.MATURE, age_restricted=True)
    assert await ratings.of_thread(77) is Rating.GENERAL
    await Administration(database).set_mature(GUILD, ADMIN, allowed=True)
    assert await ratings.change(77, Rating.MATURE, age_restricted=True)
    assert await ratings.of_thread(77) is Rating.MATURE


async def test_where_no_story_is_there_is_nothing_to_rate(database: Database) -> None:
    ratings = Ratings(database, moderated=False)
    assert await ratings.of_thread(5) is None
    assert not await ratings.change(5, Rating.GENERAL, age_restricted=False)

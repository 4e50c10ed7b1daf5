"""Where a story may begin, and how it may be rated."""

from __future__ import annotations

import pytest

from bot.database.tables import GuildSettings, Rating
from bot.guilds.rules import (
    ChannelClosed,
    Lacking,
    MatureRefused,
    check_channel,
    check_rating,
    effective_rating,
)

CHANNEL, THREAD, CATEGORY, OTHER = 20, 21, 22, 30


def settings(
    allowed: list[int] | None = None, excluded: list[int] | None = None, *, mature: bool = False
) -> GuildSettings:
    return GuildSettings(guild_id=10, allowed_channels=allowed, excluded_channels=excluded, mature=mature)


def test_without_settings_every_channel_is_open() -> None:
    check_channel(settings(), [CHANNEL])


@pytest.mark.parametrize("place", [CHANNEL, THREAD, CATEGORY])
def test_a_story_may_begin_in_what_is_allowed_and_in_all_that_is_in_it(place: int) -> None:
    check_channel(settings([place, OTHER]), [THREAD, CHANNEL, CATEGORY])


def test_once_a_channel_is_allowed_the_others_are_closed_and_it_is_named() -> None:
    with pytest.raises(ChannelClosed) as caught:
        check_channel(settings([OTHER]), [CHANNEL, CATEGORY])
    assert caught.value.instead == (OTHER,)


def test_what_is_excluded_is_closed_even_in_an_allowed_category() -> None:
    with pytest.raises(ChannelClosed):
        check_channel(settings([CATEGORY], [CHANNEL]), [CHANNEL, CATEGORY])
    check_channel(settings([CATEGORY], [CHANNEL]), [OTHER, CATEGORY])


@pytest.mark.parametrize("rating", [Rating.GENERAL, Rating.TEEN])
def test_other_ratings_need_nothing(rating: Rating) -> None:
    check_rating(rating, settings(), moderated=False, age_restricted=False)


def test_a_mature_story_needs_a_service_the_setting_and_a_restricted_channel() -> None:
    check_rating(Rating.MATURE, settings(mature=True), moderated=True, age_restricted=True)
    with pytest.raises(MatureRefused) as caught:
        check_rating(Rating.MATURE, settings(), moderated=False, age_restricted=False)
    assert caught.value.lacking == set(Lacking)


@pytest.mark.parametrize(
    ("mature", "moderated", "age_restricted"),
    [(False, True, True), (True, False, True), (True, True, False)],
)
def test_a_mature_story_that_lacks_something_is_written_as_a_teen_one(
    mature: bool, moderated: bool, age_restricted: bool
) -> None:
    row = settings(mature=mature)
    now = effective_rating(Rating.MATURE, row, moderated=moderated, age_restricted=age_restricted)
    assert now is Rating.TEEN


def test_a_mature_story_that_lacks_nothing_stays_one() -> None:
    row = settings(mature=True)
    assert effective_rating(Rating.MATURE, row, moderated=True, age_restricted=True) is Rating.MATURE

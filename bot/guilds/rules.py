"""What follows from a server's settings: where a story may begin, and how it may be rated. Knows no Discord and no
database: values in, a decision or an error out."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence

from bot.database.tables import GuildSettings, Rating
from bot.errors import BotError


class ChannelClosed(BotError):
    """The admins of the server do not want stories begun in this channel. `instead` are channels that they chose."""

    def __init__(self, instead: Sequence[int] = ()) -> None:
        super().__init__()
        self.instead = tuple(instead)


class Lacking(enum.Enum):
    """What a mature story needs and does not have."""

    MODERATION = enum.auto()
    SETTING = enum.auto()
    CHANNEL = enum.auto()


class MatureRefused(BotError):
    """A story cannot be rated mature here."""

    def __init__(self, lacking: Collection[Lacking]) -> None:
        super().__init__()
        self.lacking = frozenset(lacking)


def check_channel(settings: GuildSettings, place_ids: Sequence[int]) -> None:
    """See that a story may begin in a channel, given by its id and those of what it is in: a thread's channel, a
    channel's category. An excluded place is closed even inside an allowed one; no allowed places means all are.

    Raises:
        ChannelClosed: it may not.
    """
    allowed, excluded = settings.allowed_channels or [], settings.excluded_channels or []
    if any(place in excluded for place in place_ids):
        raise ChannelClosed([place for place in allowed if place not in excluded])
    if allowed and not any(place in allowed for place in place_ids):
        raise ChannelClosed([place for place in allowed if place not in excluded])


def check_rating(rating: Rating, settings: GuildSettings, *, moderated: bool, age_restricted: bool) -> None:
    """See that a story may have this rating: mature ones need a moderation service, the admins' leave, and a channel
    that Discord restricts to adults.

    Raises:
        MatureRefused: names all that is lacking.
    """
    if rating != Rating.MATURE:
        return
    needs = {
        Lacking.MODERATION: moderated,
        Lacking.SETTING: settings.mature,
        Lacking.CHANNEL: age_restricted,
    }
    if lacking := [need for need, there in needs.items() if not there]:
        raise MatureRefused(lacking)


def effective_rating(
    rating: Rating, settings: GuildSettings, *, moderated: bool, age_restricted: bool
) -> Rating:
    """How a story is written now: a mature one as a teen one while something that it needs is lacking."""
    try:
        check_rating(rating, settings, moderated=moderated, age_restricted=age_restricted)
    except MatureRefused:
        return Rating.TEEN
    return rating

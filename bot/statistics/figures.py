"""The figures of a server, or of all, over some days. Days are UTC's. Reads, never writes."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy import ColumnElement, Date, cast, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.connection import Database
from bot.database.tables import Conversation, Feedback, Job, JobStatus, Message, now

# The newest requests that the time to first text is worked out from.
_MOST_TIMED = 20_000


@dataclass
class Day:
    """One day. `first_text` is the median time from asking to the first text in seconds, where there was any; of the
    answers whose language could be told (`judged`), `wrong` are in a wrong one."""

    date: date
    answered: int = 0
    failed: int = 0
    first_text: float | None = None
    liked: int = 0
    disliked: int = 0
    judged: int = 0
    wrong: int = 0


@dataclass
class Figures:
    """Some days, oldest first, and what they come to. The first day has only the hours that belong to the span."""

    days: list[Day]
    answered: int = 0
    failed: int = 0
    stopped: int = 0
    open: int = 0
    members: int = 0
    languages: list[tuple[str, int]] = field(default_factory=list)
    first_text_median: float | None = None
    first_text_p95: float | None = None
    judged: int = 0
    """Answers whose language could be told."""
    wrong: int = 0
    """Those of them that stayed in a wrong one."""
    retried: int = 0
    """Answers that were written anew for their language."""
    liked: int = 0
    disliked: int = 0

    @property
    def requests(self) -> int:
        """What was asked for."""
        return self.answered + self.failed + self.stopped + self.open


class Statistics:
    """Counts. A `scope` is a server's id, or None for all servers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, scope: int | None, days: int) -> Figures:
        """The figures of the last so many days, today among them."""
        moment = now()
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        since = midnight - timedelta(days=days - 1)
        figures = Figures([Day((since + timedelta(days=n)).date()) for n in range(days)])
        by_date = {day.date: day for day in figures.days}
        asked: tuple[ColumnElement[bool], ...] = (Job.created_at >= since,)
        if scope is not None:
            asked = (Job.guild_id == scope, *asked)
        async with self._database.reading() as session:
            await _count_requests(session, figures, by_date, asked)
            await _time_first_texts(session, figures, by_date, asked)
            await _count_languages(session, figures, by_date, asked)
            rated: tuple[ColumnElement[bool], ...] = (Feedback.created_at >= since,)
            if scope is not None:
                rated = (*rated, Conversation.guild_id == scope)
            await _count_feedback(session, figures, by_date, rated)
        return figures


_Asked = Sequence[ColumnElement[bool]]


async def _count_requests(
    session: AsyncSession, figures: Figures, by_date: dict[date, Day], asked: _Asked
) -> None:
    day = _day_of(session, Job.created_at)
    query = select(day, Job.status, func.count()).where(*asked).group_by(day, Job.status)
    for found, status, count in await session.execute(query):
        at = by_date.get(_date(found))
        if status == JobStatus.DONE:
            figures.answered += count
        elif status == JobStatus.FAILED:
            figures.failed += count
        elif status == JobStatus.CANCELLED:
            figures.stopped += count
        else:
            figures.open += count
        if at is not None:
            at.answered += count if status == JobStatus.DONE else 0
            at.failed += count if status == JobStatus.FAILED else 0
    members = select(func.count(Job.member_id.distinct())).where(*asked)
    figures.members = await session.scalar(members) or 0


async def _time_first_texts(
    session: AsyncSession, figures: Figures, by_date: dict[date, Day], asked: _Asked
) -> None:
    query = (
        select(Job.created_at, Job.first_text_at)
        .where(*asked, Job.first_text_at.is_not(None))
        .order_by(Job.id.desc())
        .limit(_MOST_TIMED)
    )
    times: dict[date, list[float]] = defaultdict(list)
    for asked_at, shown_at in await session.execute(query):
        if shown_at is not None:
            times[asked_at.date()].append(max(0.0, (shown_at - asked_at).total_seconds()))
    for day, found in times.items():
        if day in by_date:
            by_date[day].first_text = percentile(found, 0.5)
    everything = [seconds for found in times.values() for seconds in found]
    figures.first_text_median = percentile(everything, 0.5)
    figures.first_text_p95 = percentile(everything, 0.95)


async def _count_languages(
    session: AsyncSession, figures: Figures, by_date: dict[date, Day], asked: _Asked
) -> None:
    # An answer may have been asked for more than once, such as to go on.
    day = _day_of(session, func.max(Job.created_at))
    language = func.coalesce(Message.written_language, Message.expected_language)
    wrong = Message.written_language != Message.expected_language
    each = (
        select(
            language.label("code"),
            wrong.label("wrong"),
            Message.language_retries.label("retries"),
            day.label("day"),
        )
        .join(Job, Job.answer_id == Message.id)
        .where(*asked, Message.expected_language.is_not(None))
        .group_by(Message.id)
        .subquery()
    )
    kinds = (each.c.code, each.c.wrong, each.c.retries, each.c.day)
    query = select(*kinds, func.count()).group_by(*kinds)
    languages: Counter[str] = Counter()
    for code, in_wrong_one, retried, found, count in await session.execute(query):
        at = by_date.get(_date(found))
        if at is not None and in_wrong_one is not None:
            at.judged += count
            at.wrong += count if in_wrong_one else 0
        languages[code] += count
        figures.judged += count if in_wrong_one is not None else 0
        figures.wrong += count if in_wrong_one else 0
        figures.retried += count if retried else 0
    figures.languages = languages.most_common()


async def _count_feedback(
    session: AsyncSession, figures: Figures, by_date: dict[date, Day], rated: _Asked
) -> None:
    day = _day_of(session, Feedback.created_at)
    query = (
        select(day, Feedback.rating, func.count())
        .join(Message, Message.id == Feedback.message_id)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(*rated)
        .group_by(day, Feedback.rating)
    )
    for found, rating, count in await session.execute(query):
        at = by_date.get(_date(found))
        if rating > 0:
            figures.liked += count
        else:
            figures.disliked += count
        if at is not None:
            at.liked += count if rating > 0 else 0
            at.disliked += count if rating < 0 else 0


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value below which (or at which) this share of them lies: the nearest rank; None of none."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def _day_of(session: AsyncSession, column: ColumnElement[object] | object) -> ColumnElement[object]:
    """The UTC day of a time. SQLite keeps times as text in UTC; PostgreSQL would take the connection's zone."""
    if session.get_bind().dialect.name == "postgresql":
        return cast(func.timezone(literal_column("'UTC'"), column), Date)
    return func.date(column)


def _date(found: object) -> date:
    return found if isinstance(found, date) else date.fromisoformat(str(found))

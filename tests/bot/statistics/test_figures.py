"""What the figures come to, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import (
    Conversation,
    Feedback,
    Job,
    JobStatus,
    Member,
    Message,
    Role,
    now,
)
from bot.statistics.figures import Statistics, percentile

HERE, THERE = 10, 11


class History:
    """Adds what happened."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._members: set[int] = set()

    async def request(
        self,
        *,
        at: datetime,
        member: int = 1,
        guild: int | None = HERE,
        status: JobStatus = JobStatus.DONE,
        first_text: float | None = None,
        expected: str | None = "en",
        written: str | None = "en",
        retries: int = 0,
        ratings: Sequence[int] = (),
    ) -> None:
        async with self._database.transaction() as session:
            for new in {member, *(100 + n for n in range(len(ratings)))} - self._members:
                session.add(Member(id=new))
                self._members.add(new)
            story = Conversation(guild_id=guild, channel_id=1, opener_id=member, title="x", language="en")
            session.add(story)
            await session.flush()
            answer = Message(
                conversation_id=story.id,
                role=Role.ASSISTANT,
                expected_language=expected,
                written_language=written,
                language_retries=retries,
                created_at=at,
            )
            session.add(answer)
            await session.flush()
            shown = at + timedelta(seconds=first_text) if first_text is not None else None
            session.add(
                Job(
                    conversation_id=story.id,
                    answer_id=answer.id,
                    member_id=member,
                    guild_id=guild,
                    status=status,
                    created_at=at,
                    first_text_at=shown,
                )
            )
            for n, rating in enumerate(ratings):
                session.add(Feedback(message_id=answer.id, member_id=100 + n, rating=rating, created_at=at))


async def test_requests_are_counted_by_day_and_outcome_within_the_span_and_the_server(
    database: Database,
) -> None:
    history, today = History(database), now()
    await history.request(at=today, first_text=1.0, ratings=(1, 1, -1))
    await history.request(at=today, member=2, status=JobStatus.FAILED)
    await history.request(at=today, status=JobStatus.CANCELLED)
    await history.request(at=today, status=JobStatus.QUEUED)
    await history.request(at=today - timedelta(days=6), first_text=3.0)
    await history.request(at=today - timedelta(days=8), first_text=9.0, ratings=(-1,))
    await history.request(at=today, guild=THERE, first_text=50.0, ratings=(-1,))
    week = await Statistics(database).of(HERE, 7)
    assert (week.answered, week.failed, week.stopped, week.open) == (2, 1, 1, 1)
    assert week.requests == 5
    assert week.members == 2
    assert (week.liked, week.disliked) == (2, 1)
    assert [day.answered for day in week.days] == [1, 0, 0, 0, 0, 0, 1]
    assert (week.days[-1].failed, week.days[-1].liked, week.days[-1].disliked) == (1, 2, 1)
    assert [day.first_text for day in week.days] == [3.0, None, None, None, None, None, 1.0]
    assert (week.first_text_median, week.first_text_p95) == (1.0, 3.0)
    assert (await Statistics(database).of(HERE, 30)).answered == 3
    everywhere = await Statistics(database).of(None, 7)
    assert (everywhere.answered, everywhere.disliked) == (3, 2)


async def test_a_day_is_utcs_whatever_the_hour(database: Database) -> None:
    history = History(database)
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
    await history.request(at=midnight)
    await history.request(at=midnight - timedelta(seconds=1))
    days = (await Statistics(database).of(HERE, 7)).days
    assert [day.answered for day in days[-2:]] == [1, 1]
    assert days[-1].date == midnight.date()


async def test_languages_and_how_often_they_were_wrong(database: Database) -> None:
    history = History(database)
    for _ in range(3):
        await history.request(at=now(), expected="fi", written="fi")
    await history.request(at=now(), expected="fi", written="en", retries=1)
    await history.request(at=now(), expected="de", written=None)
    await history.request(at=now(), expected=None, written=None)
    figures = await Statistics(database).of(HERE, 7)
    assert figures.languages[0] == ("fi", 3)
    assert dict(figures.languages) == {"fi": 3, "en": 1, "de": 1}
    assert (figures.judged, figures.wrong, figures.retried) == (4, 1, 1)
    assert (figures.days[-1].judged, figures.days[-1].wrong) == (4, 1)


async def test_an_answer_that_was_asked_for_twice_counts_once_among_the_languages(database: Database) -> None:
    history = History(database)
    await history.request(at=now() - timedelta(days=1), expected="fi", written="en")
    async with database.transaction() as session:
        first = (await session.scalars(select(Job))).one()
        session.add(
            Job(
                conversation_id=first.conversation_id,
                answer_id=first.answer_id,
                member_id=1,
                guild_id=HERE,
                status=JobStatus.DONE,
            )
        )
    figures = await Statistics(database).of(HERE, 7)
    assert (figures.answered, figures.judged, figures.languages) == (2, 1, [("en", 1)])
    assert [day.wrong for day in figures.days[-2:]] == [0, 1]


def test_percentiles_are_nearest_ranks() -> None:
    assert percentile([], 0.5) is None
    assert percentile([4.0], 0.95) == 4.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0

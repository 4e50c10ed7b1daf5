"""The migrations: up, down, and equal to the tables in the code."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, select
from sqlalchemy.exc import IntegrityError, StatementError

from bot.database.connection import Database, NestedTransaction, create_engine
from bot.database.schema import downgrade, head_revision, upgrade
from bot.database.tables import Base, Conversation, Feedback, Member, Message, Rating, Role
from bot.errors import SettingsError


async def test_migrations_make_exactly_the_tables_of_the_code(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_down_to_nothing_and_up_again(database: Database) -> None:
    def tables(connection: Connection) -> set[str]:
        return set(inspect(connection).get_table_names()) - {"alembic_version"}

    await downgrade(database, "base")
    async with database.engine.connect() as connection:
        assert await connection.run_sync(tables) == set()
    await upgrade(database)
    async with database.engine.connect() as connection:
        assert await connection.run_sync(tables) == set(Base.metadata.tables)


async def test_upgrading_twice_changes_nothing(database: Database) -> None:
    await upgrade(database)
    async with database.engine.connect() as connection:
        current = await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())
    assert current == head_revision()


async def test_times_come_back_in_utc(database: Database) -> None:
    moment = datetime(2026, 11, 1, 12, 0, tzinfo=timezone(timedelta(hours=9)))
    async with database.transaction() as session:
        session.add(Member(id=1, created_at=moment))
    async with database.transaction() as session:
        member = await session.get_one(Member, 1)
    assert member.created_at == moment
    assert member.created_at.tzinfo == UTC


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="without a time zone"):
        async with database.transaction() as session:
            session.add(Member(id=1, created_at=datetime(2026, 1, 1)))  # noqa: DTZ001


async def test_foreign_keys_are_kept(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            session.add(Message(conversation_id=99, role=Role.USER))


async def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    async def fail_half_way() -> None:
        async with database.transaction() as session:
            session.add(Member(id=1))
            await session.flush()
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 -- our own, from above
        await fail_half_way()
    async with database.transaction() as session:
        assert await session.get(Member, 1) is None


async def test_a_transaction_inside_another_is_refused_at_once(database: Database) -> None:
    with pytest.raises(NestedTransaction):
        async with database.transaction(), database.transaction():
            pass


async def test_tasks_take_turns_and_a_cancelled_one_leaves_no_lock(database: Database) -> None:
    async def hold() -> None:
        async with database.transaction() as session:
            session.add(Member(id=1))
            await session.flush()
            await asyncio.sleep(60)

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0.2)
    holding.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(holding, return_exceptions=True)
        async with database.transaction() as session:
            session.add(Member(id=1))


async def test_snowflakes_of_64_bits_fit(database: Database) -> None:
    large = 2**63 - 1
    async with database.transaction() as session:
        session.add(Conversation(channel_id=large, opener_id=large, title="x", language="en"))
    async with database.transaction() as session:
        assert (await session.get_one(Conversation, 1)).channel_id == large


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:///x.db", "nonsense", "postgresql://u:secret@h/db"])
def test_other_databases_are_refused_without_saying_the_address(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        create_engine(url)
    assert "secret" not in str(caught.value)


async def test_data_outlives_the_second_migration_in_both_directions(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Member(id=1))
        await session.flush()
        conversation = Conversation(channel_id=1, opener_id=1, title="A heron", language="fi")
        session.add(conversation)
        await session.flush()
        message = Message(conversation_id=conversation.id, role=Role.USER, content="Hei")
        session.add(message)
        await session.flush()
        session.add(Feedback(message_id=message.id, member_id=1, rating=1))
    await downgrade(database, "0001")
    await upgrade(database)
    async with database.transaction() as session:
        kept = await session.get_one(Message, message.id)
        assert (kept.content, kept.language_retries, kept.deleted_at) == ("Hei", 0, None)
        assert (await session.get_one(Conversation, conversation.id)).rating == Rating.TEEN
        assert (await session.scalars(select(Feedback.rating))).all() == [1]

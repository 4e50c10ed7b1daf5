"""Alembic's environment: over the connection that the bot hands in, or over DATABASE_URL for the command line."""

import asyncio

from alembic import context
from sqlalchemy import Connection

from bot.database.connection import create_engine
from bot.database.tables import Base, UtcDateTime
from bot.settings import load_settings


def _render(kind: str, item: object, _: object) -> str | bool:
    """Write our column type as the plain one it is, so that migrations import nothing of the bot."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def migrate(connection: Connection) -> None:
    """Run the migrations on an open connection."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        render_item=_render,
    )
    with context.begin_transaction():
        context.run_migrations()


async def migrate_from_settings() -> None:
    """Run them on the database of the settings."""
    engine = create_engine(load_settings().database_url)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    asyncio.run(migrate_from_settings())

"""The database's tables, from SQLAlchemy's metadata."""

from __future__ import annotations

import inspect

from sqlalchemy import Column, Enum, Table
from sqlalchemy.dialects import postgresql

from bot.database.tables import Base
from fanfabler_reference.markdown import cell, code, table


def page() -> str:
    """A section for each table: what a row is, and its columns as PostgreSQL has them."""
    words = {
        mapper.local_table.name: inspect.cleandoc(mapper.class_.__doc__ or "")
        for mapper in Base.registry.mappers
        if isinstance(mapper.local_table, Table)
    }
    parts = []
    for described in sorted(Base.metadata.tables.values(), key=lambda t: t.name):
        rows = [(code(column.name), code(_kind(column)), cell(_role(column))) for column in described.columns]
        parts.append(f"## {described.name}\n\n{words[described.name]}\n")
        parts.append(table(("column", "type", ""), rows))
    return "\n".join(parts)


def _kind(column: Column[object]) -> str:
    if isinstance(column.type, Enum):
        return ", ".join(column.type.enums)
    return str(column.type.compile(dialect=postgresql.dialect())).lower()


def _role(column: Column[object]) -> str:
    roles = ["primary key"] if column.primary_key else [] if column.nullable else ["required"]
    roles += [f"→ {key.target_fullname}" for key in column.foreign_keys]
    return ", ".join(roles)

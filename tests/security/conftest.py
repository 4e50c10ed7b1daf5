"""Databases and tokenizers as the other tests have them."""

from __future__ import annotations

from tests.bot.conftest import database, database_url, migrated_postgres, migrated_sqlite
from tests.model.prompt.conftest import gemma, llama

__all__ = ["database", "database_url", "gemma", "llama", "migrated_postgres", "migrated_sqlite"]

"""The chat's settings: those of the worker and of Wikipedia that it shares with the bot."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from model.wikipedia import DEFAULT_URL


class ChatSettings(BaseSettings):
    """What the chat reads from its environment. Command-line options go before these."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    worker_url: str | None = None
    """`WORKER_URL`: a running worker, as http://host:8000/v1; without one a worker is started here."""

    worker_token: str | None = Field(default=None, repr=False)
    """`WORKER_TOKEN`: its bearer token."""

    worker_model: str | None = None
    """`WORKER_MODEL`: which of its models writes; the first one it lists."""

    preset: str | None = None
    """`PRESET`: the model of a worker that is started here."""

    wikipedia_url: str = Field(default=DEFAULT_URL, pattern=r"^https?://.*\{code\}")
    """`WIKIPEDIA_URL`: MediaWiki's API, with `{code}` for the language."""

    wikipedia_user_agent: str = (
        "FanFabler/0.1 (a chat about fan fiction; set WIKIPEDIA_USER_AGENT to your contact)"
    )
    """`WIKIPEDIA_USER_AGENT`: who asks it."""

"""Everything that can be set, in one frozen object a process. Values come from the environment and from `.env`;
`.env.example` documents each. Read once, in `bot.__main__`, and handed on through constructors."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.errors import SettingsError


class Settings(BaseSettings):
    """The bot's settings. Each field is the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    discord_token: SecretStr | None = Field(
        None, description="The bot's token, from Discord's developer portal."
    )
    discord_api_base: str | None = Field(None, description="Another REST server than Discord's, for tests.")
    discord_gateway_url: str | None = Field(None, description="Another gateway than Discord's, for tests.")
    operator_guild_ids: Annotated[tuple[int, ...], NoDecode] = Field(
        (),
        description="Servers for the operator's commands, separated by commas. There are no such commands yet.",
    )
    database_url: str = Field(
        "sqlite+aiosqlite:///fanfabler.db",
        description="Where conversations live: SQLite, or postgresql+asyncpg://…",
    )
    worker_url: str | None = Field(
        None, description="An OpenAI-compatible server (…/v1). Unset: a worker is started on this machine."
    )
    worker_token: SecretStr | None = Field(None, description="The worker's bearer token.")
    worker_model: str | None = Field(
        None, description="Which of the worker's models to ask. Unset: the first one."
    )
    worker_slots: int = Field(
        0, ge=0, description="Answers written at the same time. 0: what the worker says, or four."
    )
    preset: str | None = Field(
        None, description="Model preset of the local worker. Unset: llama3-8b with a GPU, embedded without."
    )
    wikipedia_url: str = Field(
        "https://{code}.wikipedia.org/w/api.php", description="MediaWiki's API; {code} becomes the language."
    )
    wikipedia_user_agent: str = Field(
        "FanFabler/0.1 (a Discord bot for fan fiction; set WIKIPEDIA_USER_AGENT to your contact)",
        description="Who asks Wikipedia: name and contact, as its policy wants.",
    )
    queue_limit: int = Field(
        500, ge=1, description="Requests that may wait in all; beyond it new ones are refused."
    )
    member_limit: int = Field(5, ge=1, description="Requests that one member may have waiting.")
    member_concurrency: int = Field(1, ge=1, description="Answers written for one member at the same time.")
    lease_seconds: float = Field(
        20.0,
        ge=0.5,
        description="How long a silent bot process keeps an answer before another takes it over.",
    )
    max_answer_tokens: int = Field(700, ge=16, description="Tokens one answer may have at most.")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @field_validator("operator_guild_ids", mode="before")
    @classmethod
    def _split_ids(cls, value: object) -> object:
        return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value

    @field_validator("wikipedia_url")
    @classmethod
    def _has_code(cls, value: str) -> str:
        if "{code}" not in value or not value.startswith(("https://", "http://")):
            raise ValueError("must be an http(s) address that contains {code}")
        return value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()


def load_settings(**overrides: object) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: names each bad setting and what is wrong with it, without its value.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError(
            "Please mend these settings (see .env.example):\n  " + "\n  ".join(lines)
        ) from None

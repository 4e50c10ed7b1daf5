"""Everything that can be set, in one frozen object a process. Values come from the environment and from `.env`;
`.env.example` documents each. Read once, in `bot.__main__`, and handed on through constructors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bot.errors import SettingsError
from model.log_format import LogFormat

# What `/admin stats` looks back, and a day.
_LEAST_JOB_DAYS = 31


class Settings(BaseSettings):
    """The bot's settings. Each field is the environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    discord_token: SecretStr | None = Field(
        None, description="The bot's token, from Discord's developer portal."
    )
    discord_api_base: str | None = Field(None, description="Another REST server than Discord's, for tests.")
    discord_gateway_url: str | None = Field(None, description="Another gateway than Discord's, for tests.")
    shard_count: int = Field(
        1,
        ge=1,
        description="How many processes divide the servers among themselves; Discord wants that from 2,500 servers on.",
    )
    shard_id: int = Field(0, ge=0, description="Which of them this process is, from 0.")
    operator_guild_ids: Annotated[tuple[int, ...], NoDecode] = Field(
        (),
        description="Servers in which the bot's owners have /admin train, model and dataset, separated by commas.",
    )
    database_url: str = Field(
        "sqlite+aiosqlite:///fanfabler.db",
        repr=False,
        description="Where conversations live: SQLite, or postgresql+asyncpg://…",
    )
    worker_url: str | None = Field(
        None,
        repr=False,
        description="An OpenAI-compatible server (…/v1). Unset: a worker is started on this machine.",
    )
    worker_token: SecretStr | None = Field(None, description="The worker's bearer token.")
    worker_admin_token: SecretStr | None = Field(
        None, description="The worker's bearer token for taking adapters in and out. Unset: WORKER_TOKEN."
    )
    trainer_url: str | None = Field(
        None,
        repr=False,
        description="The trainer (…/v1), for /admin train. Unset: nothing is trained from Discord.",
    )
    trainer_token: SecretStr | None = Field(None, description="The trainer's bearer token.")
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
    moderation_url: str | None = Field(
        None,
        repr=False,
        description="A moderation service (…/v1): OpenAI's, or a server with a Llama Guard. Unset: none, and no "
        "mature stories.",
    )
    moderation_token: SecretStr | None = Field(None, description="The moderation service's bearer token.")
    moderation_model: str | None = Field(
        None,
        description="Which of its models to ask; one with «guard» in its name is asked as a Llama Guard. Unset: "
        "omni-moderation-latest.",
    )
    moderation_required: bool = Field(
        False,
        description="Whether general and teen stories, too, wait while the moderation service is away. Mature ones "
        "always do.",
    )
    deletion_log: str | None = Field(
        None,
        description="Where deletions of members' data are written down, for restored backups. Unset: beside the "
        "SQLite file, or fanfabler-deletions.jsonl here.",
    )
    retain_stories_days: int = Field(
        0,
        ge=0,
        description="Days after which a story in which nothing happens any more is removed. 0: never.",
    )
    retain_jobs_days: int = Field(
        365,
        ge=0,
        description="Days for which requests that are over are kept: 31 at least, for /admin stats. 0: for ever.",
    )
    retain_deliveries_days: int = Field(
        0,
        ge=0,
        description="Days for which it is kept which Discord message shows which answer. 0: as long as the story.",
    )
    retain_audit_days: int = Field(
        730,
        ge=0,
        description="Days for which the admins' log and the notes of what was blocked are kept. 0: for ever.",
    )
    retain_pages_days: int = Field(14, ge=1, description="Days for which pages of Wikipedia are remembered.")
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
    thread_titles: bool = Field(
        True, description="Whether the model writes the title of a thread, after the first answer in it."
    )
    greet_servers: bool = Field(
        True,
        description="Whether the bot writes what is set up and what is missing into a server that takes it in.",
    )
    attachment_limit_kb: int = Field(
        64, ge=0, description="How many kilobytes of text files one message may bring into a story. 0: none."
    )
    max_answer_tokens: int = Field(700, ge=16, description="Tokens one answer may have at most.")
    pulse_file: Path | None = Field(
        None,
        description="A file that is touched every ten seconds while the bot serves, for `python -m bot health`.",
    )
    metrics_port: int | None = Field(
        None, ge=0, le=65535, description="Port for Prometheus (GET /metrics). Unset: none; 0: a free one."
    )
    metrics_host: str = Field("127.0.0.1", description="The address that the metrics are told on.")
    metrics_token: SecretStr | None = Field(
        None, description="Bearer token for the metrics; needed where METRICS_HOST is not a loopback address."
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: LogFormat = Field(
        "text", description="Log lines as text, or as json: one object a line, the worker's too."
    )

    @field_validator("operator_guild_ids", mode="before")
    @classmethod
    def _split_ids(cls, value: object) -> object:
        return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value

    @field_validator("shard_id")
    @classmethod
    def _is_one_of_them(cls, value: int, others: ValidationInfo) -> int:
        if value >= (count := others.data.get("shard_count", 1)):
            raise ValueError(f"must be below SHARD_COUNT, which is {count}")
        return value

    @field_validator("database_url")
    @classmethod
    def _address(cls, value: str) -> str:
        """SQLAlchemy's own words about an address that it cannot read quote it, with the password in it."""
        if value.startswith("sqlite+aiosqlite:///"):
            return value
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            make_url(value)
        except (ArgumentError, ValueError):
            raise ValueError(
                "is not a database address; a /, @, # or : in the password is to be %-encoded"
            ) from None
        return value

    @field_validator("retain_jobs_days")
    @classmethod
    def _long_enough(cls, value: int) -> int:
        if 0 < value < _LEAST_JOB_DAYS:
            raise ValueError(f"must be {_LEAST_JOB_DAYS} at least, or 0")
        return value

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


def revealed(secret: SecretStr | None) -> str | None:
    """A secret setting in the clear, to be sent to whom it is for."""
    return secret.get_secret_value() if secret is not None else None


def without_login(url: str) -> str:
    """An address as it may be shown: without the user name and password that it may hold."""
    scheme, found, rest = url.partition("://") if "://" in url else ("", "", url)
    host, slash, path = rest.partition("/")
    return f"{scheme}{found}{host.rpartition('@')[2]}{slash}{path}"


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

"""The worker's settings: one frozen object, read once from the environment and `.env`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """What the worker reads from its environment. Command-line options go before these."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    preset: str | None = None
    """`PRESET`: a packaged preset or a YAML file; `llama3-8b` where a GPU is, `embedded` elsewhere."""

    worker_token: str | None = Field(default=None, repr=False, min_length=8)
    """`WORKER_TOKEN`: the bearer token that clients must send. Needed to listen on any address but
    loopback."""

    embedded_model_path: Path | None = None
    """`EMBEDDED_MODEL_PATH`: a GGUF file or a Hugging Face folder in place of the packaged model."""

    fanfabler_cache: Path | None = None
    """`FANFABLER_CACHE`: where prepared models are kept; `fanfabler` below the user's cache folder by
    default."""

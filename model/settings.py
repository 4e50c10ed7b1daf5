"""The worker's settings: one frozen object, read once from the environment and `.env`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from model.log_format import LogFormat


class WorkerSettings(BaseSettings):
    """What the worker reads from its environment. Command-line options go before these."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    preset: str | None = None
    """`PRESET`: a packaged preset or a YAML file; `llama3-8b` where a GPU is, `embedded` elsewhere."""

    worker_token: str | None = Field(default=None, repr=False, min_length=8)
    """`WORKER_TOKEN`: the bearer token that clients must send. Needed to listen on any address but
    loopback."""

    worker_admin_token: str | None = Field(default=None, repr=False, min_length=8)
    """`WORKER_ADMIN_TOKEN`: the bearer token for taking adapters in and out and for sleep. Where it is not set,
    they are to be had only on a loopback address that asks for no token at all."""

    adapters_dir: Path = Path("adapters")
    """`ADAPTERS_DIR`: the folder that adapters are loaded from while the worker runs; nothing outside is."""

    max_adapters: int = Field(default=2, ge=0, le=64)
    """`MAX_ADAPTERS`: adapters served at once beside the bare base. The memory for the KV caches is divided by it."""

    embedded_model_path: Path | None = None
    """`EMBEDDED_MODEL_PATH`: a GGUF file or a Hugging Face folder in place of the packaged model."""

    fanfabler_cache: Path | None = None
    """`FANFABLER_CACHE`: where prepared models are kept; `fanfabler` below the user's cache folder by
    default."""

    log_format: LogFormat = "text"
    """`LOG_FORMAT`: `text` for people, `json` for whatever collects logs."""

"""The trainer's settings: one frozen object, read once from the environment and `.env`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from model.log_format import LogFormat

SleepWorker = Literal["auto", "always", "never"]


class TrainerSettings(BaseSettings):
    """Each field is the environment variable of the same name in capitals. Command-line options go before these."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True)

    trainer_token: str | None = Field(
        None, repr=False, min_length=8, description="The bearer token that clients must send."
    )
    trainer_host: str = Field("127.0.0.1", description="The address that the trainer listens on.")
    trainer_port: int = Field(8010, ge=0, le=65535, description="Its port; 0 takes a free one.")
    trainer_dir: Path = Field(Path("trainer"), description="The folder of uploaded files, jobs and results.")
    trainer_recipes: Annotated[tuple[str, ...], NoDecode] = Field(
        ("embedded", "llama3-8b", "llama3.1-8b", "article"),
        description="The recipes that jobs may use: names of training/recipes/, or YAML files.",
    )
    trainer_sleep_worker: SleepWorker = Field(
        "auto",
        description="Whether the worker sleeps while a job runs. auto: where this machine has a GPU, and WORKER_URL "
        "and WORKER_ADMIN_TOKEN are set.",
    )
    trainer_max_file_mb: int = Field(64, ge=1, description="The largest file that may be uploaded, in MB.")
    trainer_samples: int = Field(
        6, ge=1, le=20, description="Answers to each question of an evaluation, where a job does not say."
    )
    trainer_test_chats: int | None = Field(
        None, ge=1, description="Test chats of an evaluation, from all languages in turn. Unset: all."
    )
    adapters_dir: Path = Field(
        Path("adapters"), description="Where finished adapters go; the worker loads them from there."
    )
    worker_url: str | None = Field(
        None, description="The worker that is to sleep meanwhile, as http://host:8000/v1."
    )
    worker_admin_token: str | None = Field(
        None, repr=False, min_length=8, description="The worker's token for sleep and waking up."
    )
    embedded_model_path: Path | None = Field(None, description="In place of the packaged embedded model.")
    fanfabler_cache: Path | None = Field(None, description="Where prepared models are kept.")
    log_format: LogFormat = Field("text", description="How log lines look.")

    @field_validator("trainer_recipes", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

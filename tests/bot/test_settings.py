"""The settings: what they read, what they refuse, and that `.env.example` tells the truth."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from bot.errors import SettingsError
from bot.settings import Settings, load_settings
from model.settings import WorkerSettings
from training.generation.settings import GenerationSettings
from training.serving.settings import TrainerSettings

ROOT = Path(__file__).parents[2]
ALL: dict[str, type[BaseSettings]] = {
    name.upper(): kind
    for kind in (WorkerSettings, GenerationSettings, TrainerSettings, Settings)
    for name in kind.model_fields
}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ALL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def examples() -> dict[str, str]:
    text = (ROOT / ".env.example").read_text()
    return dict(re.findall(r"^#?([A-Z_]+)=(.*)$", text, re.MULTILINE))


def test_env_example_names_every_setting_and_no_other() -> None:
    assert set(examples()) == set(ALL)


def test_env_example_shows_the_defaults(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in examples().items()))
    assert load_settings().model_dump() == Settings(_env_file=None).model_dump()  # type: ignore[call-arg]


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("QUEUE_LIMIT=7\nMEMBER_LIMIT=2\n")
    monkeypatch.setenv("QUEUE_LIMIT", "9")
    settings = load_settings()
    assert (settings.queue_limit, settings.member_limit) == (9, 2)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().queue_limit = 3  # type: ignore[misc]


def test_guild_ids_are_a_list_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_GUILD_IDS", "12, 34 56")
    assert load_settings().operator_guild_ids == (12, 34, 56)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QUEUE_LIMIT", "0"),
        ("WIKIPEDIA_URL", "https://example.org"),
        ("LOG_LEVEL", "loud"),
        ("OPERATOR_GUILD_IDS", "x"),
        ("SHARD_ID", "1"),
    ],
)
def test_a_bad_value_is_named_without_being_shown(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_secrets_do_not_show() -> None:
    settings = load_settings(discord_token="very-secret", worker_token="also-secret")
    assert "secret" not in repr(settings).replace("SecretStr", "")

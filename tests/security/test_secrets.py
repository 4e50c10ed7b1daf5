"""Secrets show nowhere: not in what objects are printed as, in what goes wrong, in what is logged (at DEBUG), in what
is found out about an installation, or in what a server says of itself."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import traceback
from pathlib import Path

import aiohttp
import discord
import pytest

from bot.database.connection import Database, open_database
from bot.doctor import examine
from bot.errors import BotError, SettingsError
from bot.findings import report
from bot.preview.saved_state import SavedState
from bot.settings import Settings, load_settings, without_login
from bot.trainer import TrainerError
from bot.trainer_client import Trainer, open_trainer_client
from bot.worker_client import Generation, OpenAIWorker, open_client
from model.engine.fake import FakeEngine
from model.server.admin import AdminAccess
from model.server.run import ServeOptions
from model.settings import WorkerSettings
from model.terminal.settings import ChatSettings
from tests.bot.world import open_world
from tests.model.worker.conftest import fake_model, listening
from tests.security.sources import ROOT
from tests.training.serving.conftest import listening as trainer_listening
from training.evaluation.run import Options
from training.generation.settings import GenerationSettings
from training.serving.settings import TrainerSettings

S = "hunter2"  # in each of them
SECRETS = {
    "discord_token": f"MTA.{S}-discord.x",
    "worker_token": f"{S}-worker",
    "worker_admin_token": f"{S}-admin",
    "trainer_token": f"{S}-trainer",
    "moderation_token": f"{S}-moderation",
    "metrics_token": f"{S}-metrics",
    "database_url": f"postgresql+asyncpg://bot:{S}@127.0.0.1:9/bot",
    "worker_url": f"http://me:{S}@127.0.0.1:9/v1",
    "trainer_url": f"http://me:{S}@127.0.0.1:9/v1",
    "moderation_url": f"http://me:{S}@127.0.0.1:9/v1",
}


def settings(**changed: object) -> Settings:
    return Settings(_env_file=None, **{**SECRETS, **changed})  # type: ignore[arg-type, call-arg]


def test_no_settings_nor_options_show_one() -> None:
    held: list[object] = [
        settings(),
        WorkerSettings(_env_file=None, worker_token=f"{S}-worker", worker_admin_token=f"{S}-admin"),
        TrainerSettings(_env_file=None, trainer_token=f"{S}-trainer", worker_admin_token=f"{S}-admin"),
        ChatSettings(_env_file=None, worker_token=f"{S}-worker"),
        GenerationSettings(_env_file=None, openai_api_key=f"sk-{S}"),
        ServeOptions(token=f"{S}-worker", admin_token=f"{S}-admin"),
        AdminAccess(f"{S}-admin"),
        SavedState(None, S),  # type: ignore[arg-type]
        Options("tiny", None, Path(), 1, token=S),
    ]
    for each in held:
        assert S not in f"{each!r} {each} {[each]}", type(each).__name__


async def test_no_client_shows_one() -> None:
    async with (
        open_client("http://127.0.0.1:9/v1", S) as client,
        open_trainer_client("http://127.0.0.1:9/v1", S) as other,
        open_database(SECRETS["database_url"]) as database,
    ):
        shown = [
            client,
            OpenAIWorker(client),
            other,
            Trainer(other),
            database,
            database.engine,
            database.engine.url,
        ]
        assert S not in " ".join(map(repr, shown)) + " ".join(map(str, shown))


@pytest.mark.parametrize(
    "address",
    [f"postgresql+asyncpg://u:{S}@host:port/db", f"mysql://u:{S}@host/db", f"{S}", f"postgresql+asyncpg://u:{S}#@h:x/d"],
)  # fmt: skip
async def test_a_database_address_that_is_wrong_is_not_quoted(address: str) -> None:
    with pytest.raises(SettingsError) as refused:
        async with open_database(load_settings(database_url=address).database_url):
            raise AssertionError("it was opened")
    assert S not in "".join(traceback.format_exception(refused.value))


def test_an_address_is_shown_without_its_login() -> None:
    assert without_login(f"http://me:{S}@host:1/v1") == "http://host:1/v1"
    assert without_login("http://host/v1/@x") == "http://host/v1/@x"
    assert without_login(f"me:{S}@host:1/v1") == "host:1/v1"


async def test_the_doctor_tells_of_no_secret(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        discord.http.Route, "BASE", discord.http.Route.BASE
    )  # put back after the doctor's change
    with caplog.at_level(logging.DEBUG):
        away = settings(
            discord_api_base=f"http://127.0.0.1:9/{'api'}",
            wikipedia_url=f"http://me:{S}@127.0.0.1:9/{{code}}",
        )
        findings = await examine(away)
        report(findings, as_json=False)
        report(findings, as_json=True)
    told = capsys.readouterr()
    assert "127.0.0.1:9" in told.out
    assert S not in told.out + told.err + caplog.text + repr(findings)


async def test_talking_to_worker_and_trainer_logs_and_raises_none_even_at_debug(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    raised = []
    with caplog.at_level(logging.DEBUG):
        async with (
            listening([fake_model(FakeEngine(replies=["Yes."]))], token=f"{S}-right") as worker,
            trainer_listening(tmp_path, trainer_token=f"{S}-right") as trainer,
        ):
            for token in (f"{S}-right", f"{S}-wrong"):
                async with open_client(f"{worker.url}/v1", token) as client:
                    try:
                        wanted = Generation([{"role": "user", "content": "x"}], 4, "id")
                        [_ async for _ in OpenAIWorker(client).write(wanted)]
                    except BotError as error:
                        raised.append(error)
                async with open_trainer_client(f"{trainer.url}/v1", token) as client:
                    try:
                        await Trainer(client).recipes()
                    except TrainerError as error:
                        raised.append(error)
            async with aiohttp.ClientSession() as http:
                for path in ("/health", "/metrics", "/openapi.json", "/v1/models"):
                    async with http.get(worker.url + path) as answer:
                        assert S not in await answer.text() + str(answer.headers)
                for path in ("/health", "/metrics", "/v1/recipes"):
                    async with http.get(trainer.url + path) as answer:
                        assert S not in await answer.text() + str(answer.headers)
    assert len(raised) == 2
    assert "chat/completions" in caplog.text
    assert S not in caplog.text
    for error in raised:
        assert S not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_whole_bot_at_debug_logs_no_secret_and_nothing_that_people_wrote(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = {name: value for name, value in SECRETS.items() if name.endswith("_token")}
    ours = [logging.getLogger(name) for name in ("bot", "model")]
    with caplog.at_level(logging.DEBUG):
        async with open_world(database, FakeEngine(replies=["A dragon called Quillon."]), **wanted) as world:
            thread = await world.start_story("the secret of Brambleholm")
            await world.answered(thread)
            await world.members[0].slash(world.channel, "admin health")
    assert S not in caplog.text
    said = "\n".join(
        each.getMessage() for each in caplog.records if each.name.split(".")[0] in {x.name for x in ours}
    )
    assert said
    assert "Brambleholm" not in said
    assert "Quillon" not in said


COMMANDS = [
    (("bot", "doctor"), {"DATABASE_URL": f"postgresql+asyncpg://u:{S}/x@h/d", "QUEUE_LIMIT": f"{S}"}),
    (("model", "serve"), {"WORKER_TOKEN": S[:7], "WORKER_ADMIN_TOKEN": S[:7]}),
    (("training", "serve"), {"TRAINER_TOKEN": S[:7]}),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "environment"), COMMANDS, ids=[" ".join(each[0]) for each in COMMANDS])
async def test_no_command_prints_one_when_it_fails(
    arguments: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "HOME", "LANG", "OMP_NUM_THREADS"}
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT), "LOG_LEVEL": "DEBUG", **environment},
    )
    told, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode
    assert told.strip()
    assert S not in told.decode()


def test_publishing_that_fails_tells_nothing_of_the_token(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    code = (
        "import logging; logging.basicConfig(level=10)\n"
        "from pathlib import Path\n"
        "from training.finetuning.publish import to_hub\n"
        "to_hub(private=True)(Path('.'), 'me/mine', 'message')\n"
    )
    environment = {
        **os.environ,
        "HF_TOKEN": f"hf_{S}",
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(ROOT),
    }
    told = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        timeout=150,
        check=False,
    )
    assert told.returncode
    assert "127.0.0.1" in told.stderr
    assert S not in told.stdout + told.stderr

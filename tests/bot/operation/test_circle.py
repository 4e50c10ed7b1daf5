"""The whole circle, with the real parts: members chat and rate on a simulated Discord, an operator makes their verdicts
into data, trains on it, reads the report and puts the new adapter in use; answers come from it; rated answers move it
(KTO); and it goes back, a step at a time. On the way the bot is replaced, the trainer killed while it trains, and the
worker while it answers.

The worker and the trainer are processes of their own, with the cut-down Llama, its real tokenizer and random weights.
Such a model writes noise, which members dislike. So the operator first has it learn a few answers by heart.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest
from safetensors.torch import load_file
from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import Member, Message, Role, TrainingRun
from bot.preview.simcord_live import LiveBackend
from model.engine.fake import FakeEngine
from tests.bot.discord.test_training import command, faster, last, press, said
from tests.bot.world import Shown, World, open_world

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1500),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

BEN = 1
ADMIN = "the-operators-secret"
PRESET = """\
extends: llama3-tiny
sampling: {max_tokens: 40}
"""
RECIPE = """\
extends: llama3-tiny
preset: small.yaml
max_length: 512
packing: {tokens: 1024}
learning_rate: 5.0e-3
schedule: constant
epochs: 20
evaluate_every: 100
checkpoint_every: 2
kto: {rows: 2, accumulate: 1, learning_rate: 2.0e-4}
"""
HEART = {
    "A heron at the lake in the fog, please.": "The heron stood by the lake and waited until the fog had lifted.",
    "My lighthouse and its captain?": "Nobody in the village believed that the old keeper had once been a captain.",
    "How does she like the dragon book?": "She closed the book and wondered what the beast would have said about it.",
}
QUIET = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("WORKER_", "TRAINER_", "ADAPTERS_", "PRESET"))
} | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[3])}


class Process:
    """A process of ours that says on which address it serves; killed, it can be started there again."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.folder = folder
        self._arguments = arguments
        self._environment = {
            **QUIET,
            "WORKER_ADMIN_TOKEN": ADMIN,
            "ADAPTERS_DIR": str(folder / "adapters"),
            **environment,
        }
        self._running: asyncio.subprocess.Process | None = None
        self._port = "0"
        self.url = ""

    async def start(self) -> None:
        """Return once it serves."""
        self._running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *self._arguments, "--port", self._port),
            *("--with-parent", "--log-level", "warning"),
            stdout=subprocess.PIPE,
            cwd=self.folder,
            env=self._environment,
        )
        assert self._running.stdout is not None
        line = ""
        while " ready on http://" not in line:
            line = (await asyncio.wait_for(self._running.stdout.readline(), 240)).decode()
            assert line, f"{self._arguments} ended with {await self._running.wait()}"
        self.url = f"{line.split()[-1]}/v1"
        self._port = line.split()[-1].rpartition(":")[2]

    async def kill(self) -> None:
        """kill -9."""
        assert self._running is not None
        self._running.kill()
        await self._running.wait()

    async def stop(self) -> None:
        """End it in order, where it still runs."""
        if self._running is not None and self._running.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._running.terminate()
            await self._running.communicate()


@asynccontextmanager
async def running(process: Process) -> AsyncIterator[Process]:
    """The process, until the block ends."""
    try:
        await process.start()
        yield process
    finally:
        await process.stop()


async def answer_to(world: World, prompt: str, emoji: str | None = None) -> str:
    """What a member's new story is answered with; with an emoji, they judge it by that button."""
    (answer,) = await world.answered(await world.start_story(prompt, BEN))
    if emoji is not None:
        pressed = await world.press(answer, emoji, BEN)
        if emoji == "👍":  # 👎 opens a form, which nobody has to send in
            assert "Noted" in await world.reply(pressed)
    return answer.content


async def models(database: Database) -> list[str | None]:
    async with database.reading() as session:
        query = select(Message.model).where(Message.role == Role.ASSISTANT).order_by(Message.id)
        return list(await session.scalars(query))


@dataclass
class Machine:
    """The worker and the trainer, and the bots that come and go over one Discord and one database."""

    database: Database
    worker: Process
    trainer: Process
    backend: LiveBackend | None = None

    @asynccontextmanager
    async def bot(self) -> AsyncIterator[World]:
        """A bot, until the block ends."""
        async with open_world(
            self.database,
            FakeEngine(),
            backend=self.backend,
            operators=True,
            worker_url=self.worker.url,
            trainer_url=self.trainer.url,
            worker_admin_token=ADMIN,
            max_answer_tokens=40,
        ) as world:
            faster(world)
            self.backend = world.env.backend
            yield world


async def test_from_members_verdicts_to_a_new_model_that_answers_them_and_back_whatever_is_killed(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "small.yaml").write_text(PRESET)
    (tmp_path / "small-recipe.yaml").write_text(RECIPE)
    async with running(Process(tmp_path, "model", "serve", "--preset", "small.yaml")) as worker:
        settings = {
            "TRAINER_RECIPES": "small-recipe.yaml",
            "WORKER_URL": worker.url,
            "TRAINER_SLEEP_WORKER": "always",
        }
        async with running(Process(tmp_path, "training", "serve", **settings)) as trainer:
            machine = Machine(database, worker, trainer)
            async with machine.bot() as world:
                await answer_to(world, "Write about a bridge.", "👎")
                await learn_by_heart(world, trainer.url)
                await gather_data(world, database)
                await begin_training(world, "dataset", "feedback-chats-", "3 rows")
                await world.until(lambda: "%" in described(world, 0), 180)
                asked = await world.start_story("A heron at the lake in the fog, please.", BEN)
                await world.until(lambda: "A training run has" in " ".join(world.texts(asked)), 60)
            await trainer.kill()
            await trainer.start()
            async with machine.bot() as world:
                await check_report(world, 0)
                (answer,) = await world.answered(asked)
                assert answer.content == HEART["A heron at the lake in the fog, please."], (
                    "the adapter that was in use wrote it"
                )
                learnt = await use(world, 0)
                await answers_come_from(world, machine, learnt)
                await move_by_rated_answers(world, machine, learnt)
                await go_back(world, database, learnt)


async def learn_by_heart(world: World, trainer_url: str) -> None:
    """The operator trains a first adapter, with OpenAI's own client, and puts it in use."""
    rows = [
        {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]}
        for asked, said in HEART.items()
    ]
    async with openai.AsyncOpenAI(base_url=trainer_url, api_key="none", max_retries=0) as client:
        content = "".join(json.dumps({**row, "language": "en"}) + "\n" for row in rows)
        file = await client.files.create(file=("by-heart.jsonl", content.encode()), purpose="fine-tune")
        job = await client.fine_tuning.jobs.create(
            model="base",
            training_file=file.id,
            validation_file=file.id,
            suffix="by-heart",
            metadata={"recipe": "small-recipe", "evaluate": "false"},
        )
        async with asyncio.timeout(300):
            while job.status in {"queued", "running"}:
                await asyncio.sleep(0.5)
                job = await client.fine_tuning.jobs.retrieve(job.id)
        assert job.status == "succeeded", job.error
    assert "From now on **by-heart** answers in this server." in await said(
        world, "model activate", model="by-heart"
    )


async def gather_data(world: World, database: Database) -> None:
    """Members chat and rate, agree to training, and the operator gives that to the trainer."""
    for prompt, known in HEART.items():
        assert await answer_to(world, prompt, "👍") == known
    async with database.transaction() as session:
        await session.merge(Member(id=world.members[BEN].id, training_consent=True))
    offer = last(await command(world, "dataset add-feedback"))
    answer = await world.reply(await press(world, offer, "Give it to the trainer"))
    assert "liked chats (SFT): the trainer took 3 rows." in answer
    assert "rated answers (KTO): the trainer took 4 rows." in answer


async def begin_training(world: World, option: str, filename: str, figures: str) -> None:
    """On a file that the trainer offers by now."""
    found = await world.members[0].autocomplete(
        world.channel, "admin train start", option, filename, recipe="small-recipe"
    )
    options = {"recipe": "small-recipe", option: found[0]["value"], "languages": "en", "samples": 1}
    proposal = last(await command(world, "train start", **options))
    assert figures in proposal.content
    await press(world, proposal, "Begin")


def posts(world: World) -> list[Shown]:
    """The messages in the channel that show runs: of each its status, then its report."""
    return [message for message in world.shown(world.channel.id) if message.embeds and not message.content]


def described(world: World, place: int) -> str:
    """What such a message says; empty while it is not there."""
    shown = posts(world)
    return str(shown[place].embeds[0].description) if place < len(shown) else ""


async def check_report(world: World, place: int) -> None:
    """The status says in the end that it is done, and the report stands below it."""
    await world.until(lambda: "❌" in described(world, place) or len(posts(world)) > place + 1, 300)
    assert "Done" in described(world, place)
    status, report = posts(world)[place : place + 2]
    assert [a.filename for a in status.stored.attachments] == ["loss.png"]
    assert [a.filename for a in report.stored.attachments] == ["heatmap.png"]
    assert "held-out loss" in described(world, place + 1)
    assert "which is in use" in described(world, place + 1)
    assert "en" in str(report.embeds[1].description)
    worst = last(await press(world, report.stored, "The worst answers")).embeds[0]
    assert worst.fields[0].value


async def use(world: World, run: int) -> str:
    """Put a run's adapter in use, by its report's button, or with force where the report calls it worse."""
    async with world.bot.parts.database.reading() as session:
        adapter = str(
            (await session.scalars(select(TrainingRun.adapter).order_by(TrainingRun.id))).all()[run]
        )
    report = posts(world)[2 * run + 1]
    answer = await world.reply(await press(world, report.stored, "Use it in this server"))
    if "It is worse than" in described(world, 2 * run + 1):
        assert "so it is not activated" in answer
        answer = await said(world, "model activate", model=adapter, force=True)
    assert f"From now on **{adapter}** answers in this server." in answer
    return adapter


async def answers_come_from(world: World, machine: Machine, adapter: str) -> None:
    """What members liked is what it writes now; also where the worker is killed in the middle of it."""
    assert (
        await answer_to(world, "How does she like the dragon book?")
        == HEART["How does she like the dragon book?"]
    )
    assert (await models(machine.database))[-1] == adapter
    thread = await world.start_story("My lighthouse and its captain?", BEN)
    await world.until(lambda: world.bot.parts.dispatcher.running)
    await machine.worker.kill()
    await machine.worker.start()
    (answer,) = await world.answered(thread)
    assert answer.content == HEART["My lighthouse and its captain?"]
    await answer_to(world, "A heron at the lake in the fog, please.")
    assert (await models(machine.database))[-2:] == [adapter, adapter]


async def move_by_rated_answers(world: World, machine: Machine, learnt: str) -> None:
    """All four verdicts move the adapter that is in use, in a second stage."""
    await begin_training(world, "rated", "feedback-rated-", f"begins with the adapter {learnt}")
    await check_report(world, 2)
    moved = await use(world, 1)
    folder = machine.trainer.folder / "adapters"
    before, after = (load_file(folder / name / "adapter_model.safetensors") for name in (learnt, moved))
    assert before.keys() == after.keys()
    assert any((before[name] != after[name]).any() for name in before)
    assert json.loads((folder / moved / "manifest.json").read_text())["method"] == "kto"
    await answer_to(world, "How does she like the dragon book?")
    assert (await models(machine.database))[-1] == moved


async def go_back(world: World, database: Database, learnt: str) -> None:
    """A step at a time, to what answered in the beginning."""
    base = (await models(database))[0]
    for earlier in (learnt, "by-heart", base):
        assert "Back from" in await said(world, "model rollback")
        await answer_to(world, "And now?")
        assert (await models(database))[-1] == earlier
    assert "nothing to go back from" in await said(world, "model rollback")

"""A world whose operator trains: the real trainer beside bot and worker, with the smallest recipe there is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import openai
from discord import Permissions
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.tables import TrainingRun
from bot.operation.runs import UNDER_WAY
from tests.discord_server import Channel, Member, Message
from tests.reliability.ports import free_port
from tests.reliability.world import ROOT, World, bare_world
from tests.training.finetuning.conftest import chat
from tests.training.serving.conftest import PRESET, QUIET, RECIPE, lines
from training.serving.jobs import Job, JobFolder, read_job

RECIPE_NAME = "brief"
_ROWS = 12
_START_SECONDS = 180.0
_OVER_SECONDS = 400.0
_STAGE = "training.serving.stage"


@dataclass
class Workshop:
    """Everything, while it runs."""

    world: World
    folder: Path
    """Of the trainer: its files, jobs and adapters, and the working directory of it and of all that it starts."""
    operator: Member
    channel: Channel
    """Where the runs are shown."""
    port: int = field(default_factory=free_port)
    trainer: asyncio.subprocess.Process | None = None
    dataset: str = ""
    """The file of rows that was given to it."""
    reference: Path | None = None
    """The adapter of a run that nothing disturbed."""
    reference_files: list[str] = field(default_factory=list)
    """The result files of that run."""
    others: int = 0

    @property
    def url(self) -> str:
        """The trainer's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def adapters(self) -> Path:
        """Where adapters are put that are done."""
        return self.folder / "adapters"

    def client(self) -> openai.AsyncOpenAI:
        """OpenAI's, for the trainer."""
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0)

    async def start_trainer(self) -> None:
        """`python -m training serve`, on the same port as before, until it answers."""
        with (self.world.folder / "trainer.log").open("ab") as log:
            self.trainer = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "training", "serve", "--port", str(self.port)),
                *("--with-parent", "--log-level", "warning"),
                env={
                    **QUIET,
                    "PYTHONPATH": str(ROOT),
                    "ADAPTERS_DIR": str(self.adapters),
                    "TRAINER_RECIPES": f"{RECIPE_NAME}.yaml",
                    "TRAINER_TEST_CHATS": "1",
                    "TRAINER_SLEEP_WORKER": "never",
                },
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        async with aiohttp.ClientSession() as http, asyncio.timeout(_START_SECONDS):
            while True:
                if self.trainer.returncode is not None:
                    raise RuntimeError(
                        f"the trainer ended with {self.trainer.returncode}; "
                        f"see {self.world.folder / 'trainer.log'}"
                    )
                with suppress(aiohttp.ClientError):
                    async with http.get(f"{self.url}/health") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)

    async def give_rows(self) -> None:
        """Upload what is trained on, once."""
        rows = [chat(number, "en", lookup=number % 5 > 0).model_dump(mode="json") for number in range(_ROWS)]
        async with self.client() as client:
            file = await client.files.create(
                file=("rows.jsonl", lines(*rows)), purpose="fine-tune", extra_body={"checks": "form"}
            )
        self.dataset = file.id

    async def propose(self) -> tuple[TrainingRun, Message]:
        """`/admin train start`: the run that would be, and the message with the button that begins it."""
        result = await self.operator.slash(
            self.channel,
            "admin train start",
            recipe=RECIPE_NAME,
            dataset=self.dataset,
            languages="en",
            samples=1,
        )
        proposal = await result.finished(_START_SECONDS)
        if "Begin" not in proposal.buttons:
            raise RuntimeError(f"no run is proposed: {proposal.content}")
        async with AsyncSession(self.world.engine) as session:
            run = (await session.scalars(select(TrainingRun).order_by(TrainingRun.id.desc()).limit(1))).one()
        return run, proposal

    async def queue_another(self) -> str:
        """A job that stands in front of those that come after it; its id."""
        self.others += 1
        async with self.client() as client:
            job = await client.fine_tuning.jobs.create(
                model="base",
                training_file=self.dataset,
                suffix=f"another-{self.others}",
                metadata={"recipe": RECIPE_NAME, "evaluate": "false", "languages": "en"},
            )
        return job.id

    async def run(self, run_id: int) -> TrainingRun:
        """The row of a run, as it is now."""
        async with AsyncSession(self.world.engine) as session:
            return await session.get_one(TrainingRun, run_id)

    def jobs(self) -> list[Job]:
        """All that the trainer has in its folder."""
        folders = (self.folder / "trainer" / "jobs").glob("*/")
        return [job for folder in folders if (job := read_job(folder)) is not None]

    def jobs_of(self, key: str) -> list[Job]:
        """Those that were begun under a run's key."""
        return [job for job in self.jobs() if job.metadata.get("run") == key]

    def files_of(self, job: Job) -> JobFolder:
        """The files of a job."""
        return JobFolder(self.folder / "trainer" / "jobs" / job.id, job.name)

    def at_work(self) -> dict[int, list[str]]:
        """The processes of the trainer, of its jobs, and what those started: command lines by their numbers."""
        found = {}
        for process in Path("/proc").iterdir():
            # Zombies have no working directory any more.
            with suppress(OSError):
                if process.name.isdigit() and (process / "cwd").readlink() == self.folder:
                    line = (process / "cmdline").read_bytes().decode(errors="replace")
                    found[int(process.name)] = line.rstrip("\0").split("\0")
        return found

    async def kill(self, victims: Sequence[str]) -> None:
        """SIGKILL at the same time: `bot`, `worker`, `trainer`, `job`."""
        # The trainer first: it is not to see its job's process end before it ends itself.
        if "trainer" in victims and self.trainer is not None:
            with suppress(ProcessLookupError):
                self.trainer.send_signal(signal.SIGKILL)
        if "job" in victims:
            for number, line in self.at_work().items():
                if _STAGE in line:
                    with suppress(ProcessLookupError):
                        os.kill(number, signal.SIGKILL)
        await self.world.kill(*(name for name in ("bot", "worker") if name in victims))
        if "trainer" in victims and self.trainer is not None:
            await self.trainer.wait()

    async def revive(self) -> None:
        """Start again what does not run."""
        async with asyncio.TaskGroup() as group:
            if self.trainer is None or self.trainer.returncode is not None:
                group.create_task(self.start_trainer())
            group.create_task(self.world.revive())

    async def over(self, run_id: int, *others: str) -> bool:
        """Wait until a run and the other jobs are over and the last word about it is said. False: they never were."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_OVER_SECONDS):
                while not (await self._reported(run_id) and self._ended(others)):
                    await asyncio.sleep(0.2)
                return True
        return False

    async def _reported(self, run_id: int) -> bool:
        try:
            run = await self.run(run_id)
        except Exception:  # a database that is held is asked again
            return False
        return run.status not in UNDER_WAY and run.reported

    def _ended(self, ids: Sequence[str]) -> bool:
        return all(job.ended for job in self.jobs() if job.id in ids)

    async def end(self) -> None:
        """End the trainer, and whatever it left."""
        if self.trainer is not None and self.trainer.returncode is None:
            with suppress(ProcessLookupError):
                self.trainer.terminate()
            with suppress(TimeoutError):
                async with asyncio.timeout(30):
                    await self.trainer.wait()
        for number in self.at_work():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        if self.trainer is not None:
            await self.trainer.wait()


@asynccontextmanager
async def bare_workshop(folder: Path, seed: int, *, database: str = "sqlite") -> AsyncIterator[Workshop]:
    """A workshop in which no process runs yet."""
    async with bare_world(folder, seed, people=2, database=database) as world:
        home = (folder / "training").resolve()
        home.mkdir()
        (home / "roomy.yaml").write_text(PRESET, encoding="utf-8")
        (home / f"{RECIPE_NAME}.yaml").write_text(RECIPE.replace("epochs: 1", "epochs: 2"), encoding="utf-8")
        guild = world.channels[0].guild
        operator = guild.add_member("operator", locale="en-US")
        world.discord.application.set_owner(operator.id)
        operator.set_roles(guild.create_role("managers", permissions=Permissions(manage_guild=True).value))
        workshop = Workshop(world, home, operator, guild.create_text_channel("workshop"))
        world.settings |= {"OPERATOR_GUILD_IDS": str(guild.id), "TRAINER_URL": f"{workshop.url}/v1"}
        try:
            yield workshop
        finally:
            await workshop.end()


@asynccontextmanager
async def running_workshop(folder: Path, seed: int, *, database: str = "sqlite") -> AsyncIterator[Workshop]:
    """A workshop that runs, with a story for each of its people and rows at the trainer."""
    async with bare_workshop(folder, seed, database=database) as workshop:
        await workshop.revive()
        world = workshop.world
        for member, channel in zip(world.members, world.channels, strict=True):
            await world.open_story(member, channel)
        await workshop.give_rows()
        if not await world.settle():
            raise RuntimeError("the first stories did not come to an end")
        yield workshop

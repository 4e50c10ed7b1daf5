"""One call of the command: checks what is there, puts the parts together, runs them, and says how it ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from training.chats import write_chats, write_properties, write_text
from training.generation import report as reports
from training.generation.asking import Asker, ModelSettings
from training.generation.background import Background
from training.generation.budget import Budget, Prices, find_prices
from training.generation.concurrency import Limiter, Window
from training.generation.dialect import DialectMemory
from training.generation.errors import CannotGenerate, Interrupted
from training.generation.folder import RunConfig, RunFolder
from training.generation.journal import Journal
from training.generation.made import Made
from training.generation.outcome import Outcome, outcome_of
from training.generation.progress import Progress, Tally
from training.generation.prompts import PromptSet, load_set
from training.generation.prompts.base import digest
from training.generation.requests import ReplyForm
from training.generation.run import Run, Wanted
from training.generation.settings import GenerationSettings
from training.generation.stages import MODEL_STAGES, Stage
from training.generation.works import FROM_CATALOGUE, FROM_MODEL, choose, read_works
from training.generation.writer import Writer

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was told. USD and seconds."""

    out: Path
    model: str
    languages: Sequence[str]
    works: str | None = None
    chats: int = 5
    properties: str = FROM_CATALOGUE
    prompts: str = "spec"
    seed: int = 42
    temperature: float = 1.0
    max_tokens: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    reply_form: ReplyForm | None = None
    wikipedia: bool = True
    concurrency: int = 128
    timeout: float = 300.0
    salvage: int = 3
    lenient: bool = False
    price_in: float | None = None
    price_out: float | None = None
    max_usd: float | None = None

    def config(self, prompts: PromptSet) -> RunConfig:
        """What of it shapes the data."""
        known = {FROM_CATALOGUE, FROM_MODEL}
        return RunConfig(
            model=self.model,
            prompts=self.prompts,
            prompts_digest=digest(prompts),
            chats_per_property=self.chats,
            seed=self.seed,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            extra=dict(self.extra),
            properties=self.properties if self.properties in known else "folder",
            background="wikipedia" if self.wikipedia else "bundled",
        )


@dataclass(frozen=True, slots=True)
class Job:
    """Options made concrete: the texts, works, prices and server that they name."""

    options: Options
    settings: GenerationSettings
    prompts: PromptSet
    wanted: Wanted
    prices: Prices | None
    base_url: str
    api_key: str = field(repr=False)
    config: RunConfig


def prepare(options: Options, settings: GenerationSettings) -> Job:
    """Make the options concrete. Raises `CannotGenerate` and `DataError`."""
    base_url = settings.openai_base_url or OPENAI
    prices = find_prices(options.model, base_url, options.price_in, options.price_out)
    if options.max_usd is not None and prices is None:
        raise CannotGenerate(
            f"no price is known for {options.model}, so --max-usd cannot be kept: give --price-in and --price-out"
        )
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else ""
    wanted = Wanted(
        options.languages,
        read_works(options.properties, options.languages),
        choose(options.works),
        options.chats,
        options.seed,
    )
    prompts = load_set(options.prompts)
    return Job(options, settings, prompts, wanted, prices, base_url, key, options.config(prompts))


def run_job(job: Job, console: Console, on_changes: Callable[[Sequence[str]], str]) -> Outcome:
    """Run a job in its folder.

    `on_changes` is told what is different from the folder's earlier runs, and answers `continue`, `restart` or
    `stop`. Raises `CannotGenerate`.
    """
    if not job.api_key and job.base_url == OPENAI:
        raise CannotGenerate("OPENAI_API_KEY is not set; for a server of your own, set OPENAI_BASE_URL")
    folder = RunFolder(job.options.out)
    with folder.locked():
        if changes := folder.changes(job.config, job.wanted.works):
            choice = on_changes(changes)
            if choice == "stop":
                return Outcome.CHANGED
            if choice == "restart":
                folder.restart()
        folder.adopt(job.config, job.wanted.works)
        with folder.journals(job.config.fingerprint) as journals:
            try:
                return asyncio.run(_Session(job, folder, journals, console).run())
            except asyncio.CancelledError:
                return Outcome.INTERRUPTED
            except (OSError, ExceptionGroup) as error:
                cause = _first(error)
                if not isinstance(cause, OSError):
                    raise
                raise CannotGenerate(f"{folder.path} cannot be written: {cause.strerror}") from error


def _first(error: Exception) -> Exception:
    """The exception itself, or the first of a group's."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


class _Session:
    """One run of a folder that is locked and whose journals are open."""

    def __init__(self, job: Job, folder: RunFolder, journals: dict[Stage, Journal], console: Console) -> None:
        self._job = job
        self._folder = folder
        self._journals = journals
        self._console = console
        self._books = {stage: journal.entries for stage, journal in journals.items()}

    async def run(self) -> Outcome:
        """Make what is wanted and write it down."""
        options = self._job.options
        if self._job.prices is not None:
            # Earlier runs that knew no price noted none; a cap over all runs counts them too.
            for stage in MODEL_STAGES:
                for entry in self._books[stage].values():
                    entry.price(self._job.prices.of)
        before = reports.total(self._books)
        budget = Budget(options.max_usd, before.usage.usd + before.at_most.usd)
        limiter = Limiter(Window(options.concurrency))
        tally = Tally(dict.fromkeys(Stage, 0))
        if before.lost:
            self._say(
                f"{before.lost} calls of earlier runs never had an answer; they are made again, and may have cost "
                f"up to ${before.at_most.usd:.4f} beside what is reported."
            )
        async with AsyncExitStack() as stack:
            asker, background = await self._connect(stack, limiter, budget, tally)
            writer = Writer(self._job.prompts, asker, background, tally)
            run = Run(self._job.wanted, self._job.prompts, asker, writer, tally)
            progress = Progress(tally, lambda: _status(limiter, budget, tally), self._console)
            await stack.enter_async_context(progress.shown())
            with _stopping_on_signals(limiter, self._console):
                await run.make(options.salvage)
        outcome = outcome_of(limiter.stopped, left=run.left)
        if limiter.stopped is not None:
            self._say(str(limiter.stopped))
        elif waiting := [each for each in run.made.failed.values() if not each.final]:
            self._say(f"{len(waiting)} chats wait for a later run; {waiting[0].slot}: {waiting[0].reason}")
        if cut := [each for each in run.made.failed.values() if each.kind == "cut off"]:
            self._say(f"{len(cut)} chats have no whole reply; {cut[0].slot}: {cut[0].reason}")
        this_run = reports.ThisRun(
            seconds=tally.seconds,
            calls=reports.total(self._books).calls - before.calls,
            retried=tally.retried,
            window=int(limiter.window.limit),
            shrunk=limiter.shrunk,
            reply_form=asker.dialect.form.value,
            wikipedia_given_up=background.out_of_reach,
            bad_replies={
                stage.value: count.bad.total() for stage, count in tally.stages.items() if count.bad
            },
        )
        self._write(run.made, outcome, this_run)
        return outcome

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    async def _connect(
        self, stack: AsyncExitStack, limiter: Limiter, budget: Budget, tally: Tally
    ) -> tuple[Asker, Background]:
        import aiohttp
        import openai

        from model.wikipedia import WikipediaClient

        job, options = self._job, self._job.options
        client = openai.AsyncOpenAI(
            base_url=job.base_url,
            api_key=job.api_key or "none",
            max_retries=0,  # trying again is the limiter's and the journal's business
            timeout=options.timeout,
            # A third of the CPU time per call that httpx takes.
            http_client=openai.DefaultAioHttpClient(timeout=options.timeout),
        )
        await stack.enter_async_context(client)
        settings = ModelSettings(
            options.model, options.temperature, options.max_tokens, options.extra, lenient=options.lenient
        )
        memory = DialectMemory(self._folder.server, f"{job.base_url} {options.model}")
        asker = Asker(
            client, settings, self._journals, limiter, budget, job.prices, memory, tally, options.reply_form
        )
        wikipedia = None
        if options.wikipedia:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            wikipedia = WikipediaClient(
                session,
                user_agent=job.settings.wikipedia_user_agent,
                url_template=job.settings.wikipedia_url,
                timeout=30.0,
            )
            stack.push_async_callback(wikipedia.close)
        return asker, Background(self._journals[Stage.BACKGROUND], wikipedia, limiter.rest)

    def _write(self, made: Made, outcome: Outcome, this_run: reports.ThisRun) -> None:
        """Everything that was made, each file in one step; what earlier runs made of other works stays."""
        folder, job = self._folder, self._job
        for code, works in made.properties.items():
            write_properties(folder.properties / f"{code}.json", works)
        chats, dropped = folder.merged(made)
        for code in job.wanted.languages if job.wanted.chats else ():
            write_chats(folder.chats / f"{code}.jsonl", chats[code])
        folder.write_dropped(dropped)
        report = reports.build_report(
            self._books, chats, dropped, outcome, job.prices, job.options.model, this_run
        )
        write_text(folder.path / "report.json", reports.as_json(report))
        write_text(folder.path / "report.md", reports.as_markdown(report))
        for table in reports.as_tables(report):
            self._console.print(table)


def _status(limiter: Limiter, budget: Budget, tally: Tally) -> str:
    spent = f"${budget.spent:.4f}" + (f" of ${budget.cap:.2f}" if budget.cap is not None else "")
    again = f", {tally.retried} sent again" if tally.retried else ""
    return f"{limiter.under_way} of {int(limiter.window.limit)} calls under way{again}, {spent}"


@contextmanager
def _stopping_on_signals(limiter: Limiter, console: Console) -> Iterator[None]:
    """The first SIGINT or SIGTERM lets the calls under way end, since they are paid for; a second one does not."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def on_signal() -> None:
        if limiter.stopped is None:
            limiter.stop(Interrupted(f"stopping: {limiter.under_way} calls under way are waited for"))
            console.print("Stopping. The calls under way are waited for; once more stops at once.")
        elif task is not None:
            task.cancel()

    signals = (signal.SIGINT, signal.SIGTERM)
    for each in signals:
        with suppress(NotImplementedError):  # Windows, where Ctrl-C ends the process as KeyboardInterrupt
            loop.add_signal_handler(each, on_signal)
    try:
        yield
    finally:
        for each in signals:
            with suppress(NotImplementedError):
                loop.remove_signal_handler(each)

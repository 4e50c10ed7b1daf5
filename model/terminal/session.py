"""The whole chat: its parts put together, and the loop over what is typed or piped in."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from model.errors import ModelError
from model.languages import LANGUAGES, find_language
from model.local_worker import local_worker
from model.terminal.answering import Answering
from model.terminal.archive import Archive, default_folder
from model.terminal.commands import run_command
from model.terminal.errors import ChatError
from model.terminal.keyboard import on_interrupt, prompt_session, without_echo
from model.terminal.screen import PlainScreen, RichScreen, Screen
from model.terminal.settings import ChatSettings
from model.terminal.story import Story
from model.terminal.worker import ChatWorker
from model.wikipedia import BundledNotes, SearchableSource, WikipediaClient, WithFallback

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

_READ_SECONDS = 300.0


class Chat:
    """One chat. The commands change it; `session` drives it."""

    def __init__(self, worker: ChatWorker, answering: Answering, archive: Archive, screen: Screen) -> None:
        self.worker = worker
        self.archive = archive
        self.screen = screen
        self.over = False
        self.language_fixed = False
        """Whether somebody chose the language; else it follows what is written."""
        self.story = archive.new()
        self._answering = answering

    def begin(self, story: Story) -> None:
        """Go on with another conversation."""
        self.story, self.language_fixed = story, False

    def show_end(self) -> None:
        """Show the last exchange of the conversation."""
        for entry in self.story.entries[-2:]:
            if entry.role == "user":
                self.screen.note(f"› {entry.text}")
            else:
                self.screen.write(entry.text)
                self.screen.end_answer(stopped=entry.stopped)

    async def take(self, line: str) -> None:
        """Do what a line asks for: a command, or a message. Raises `ModelError`."""
        text = line.strip()
        if text.startswith("/") and not text.startswith("//"):
            await run_command(self, text)
        elif text:
            await self.say(text.removeprefix("/") if text.startswith("//") else text)

    async def say(self, text: str) -> None:
        """Say something and have it answered."""
        if not self.language_fixed:
            from model.detection import clear_language

            expected = self.story.language or "en"
            self.story.language = clear_language(text, expected) or expected
        self.story.say(text)
        self.archive.keep(self.story)
        await self.answer()

    async def answer(self) -> None:
        """Have the last message answered, and keep what came of it. Ctrl-C stops it."""
        try:
            with on_interrupt(self._answering.stop), without_echo():
                await self._answering.answer(self.story)
        finally:
            self.archive.keep(self.story)


def chat(options: argparse.Namespace) -> int:
    """`python -m model chat`. Raises `ModelError`."""
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    with suppress(KeyboardInterrupt):
        return asyncio.run(_chat(options, ChatSettings(), interactive=interactive))
    return 130


async def _chat(options: argparse.Namespace, settings: ChatSettings, *, interactive: bool) -> int:
    screen = _screen(interactive=interactive)
    asking = prompt_session(options.history or default_folder()) if interactive else None
    async with _open(options, settings, screen) as current:
        if asking is None:
            return await _once(current)
        current.screen.note(f"{_who(current)} writes. /help lists what else there is; Ctrl-D leaves.")
        if current.story.entries:
            current.show_end()
        await _converse(current, asking)
    return 0


async def _once(current: Chat) -> int:
    """All that is piped in is one message."""
    text = (await asyncio.to_thread(sys.stdin.read)).strip()
    if not text:
        raise ChatError("Nothing was piped in.")
    await current.say(text)
    return 130 if current.story.entries[-1].stopped else 0


async def _converse(current: Chat, asking: PromptSession[str]) -> None:
    while not current.over:
        try:
            line = await asking.prompt_async("› ", bottom_toolbar=lambda: _toolbar(current))
        except KeyboardInterrupt:  # what was typed is dropped
            continue
        except EOFError:
            return
        try:
            await current.take(line)
        except ModelError as error:
            current.screen.error(str(error))


def _who(current: Chat) -> str:
    return current.worker.model.name if current.worker.model else "nobody"


def _toolbar(current: Chat) -> str:
    language = LANGUAGES[current.story.language].own_name if current.story.language else "your language"
    return f" {_who(current)} · {language} · /help"


@asynccontextmanager
async def _open(options: argparse.Namespace, settings: ChatSettings, screen: Screen) -> AsyncIterator[Chat]:
    """The parts of a chat, opened in order and closed in the end. Raises `ModelError`."""
    import aiohttp
    from openai import AsyncOpenAI, Timeout

    archive = Archive(Path(options.history) if options.history else default_folder())
    begun = _begun(options, archive)
    async with AsyncExitStack() as stack:
        url, token = options.url or settings.worker_url, options.token or settings.worker_token
        if options.preset is not None or url is None:
            preset = options.preset or settings.preset
            url, token = await stack.enter_async_context(local_worker(preset, "--grace", "0"))
        timeout = Timeout(None, connect=5.0, read=_READ_SECONDS, write=30.0, pool=30.0)
        client = AsyncOpenAI(base_url=url, api_key=token or "none", max_retries=2, timeout=timeout)
        worker = ChatWorker(await stack.enter_async_context(client))
        await worker.connect(options.model or settings.worker_model)
        canon: SearchableSource = BundledNotes()
        if not options.offline:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            wikipedia = WikipediaClient(
                session, user_agent=settings.wikipedia_user_agent, url_template=settings.wikipedia_url
            )
            stack.push_async_callback(wikipedia.close)
            canon = WithFallback(wikipedia, canon)
        answering = Answering(
            worker, canon, screen, max_tokens=options.max_tokens, temperature=options.temperature
        )
        current = Chat(worker, answering, archive, screen)
        if begun is not None:
            current.begin(begun)
        if options.language is not None:
            await run_command(current, f"/language {options.language}")
        yield current


def _begun(options: argparse.Namespace, archive: Archive) -> Story | None:
    """The conversation that the options say to go on with. Raises `ChatError`."""
    if options.language is not None and find_language(options.language) is None:
        raise ChatError(f"'{options.language}' is none of the forty languages.")
    if options.continue_ is None:
        return None
    if options.continue_ != "newest":
        return archive.open(options.continue_)
    newest = archive.newest(1)
    if not newest:
        raise ChatError(f"There is no conversation to go on with in {archive.folder}.")
    return newest[0]


def _screen(*, interactive: bool) -> Screen:
    if not interactive:
        return PlainScreen()
    from rich.console import Console

    return RichScreen(Console(highlight=False))

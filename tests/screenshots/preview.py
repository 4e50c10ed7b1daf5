"""The bot in its preview, with the embedded model and its adapter: a story with its buttons, a page that was looked up,
what admins see. In several languages, on a desktop and on a phone."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.connection import open_database
from bot.database.schema import upgrade
from bot.database.tables import Conversation, Feedback, Job, JobStatus, Member, Message, Role, now
from bot.preview import GUILD_ID
from bot.words import Words, words_for
from tests.browser import Chromium, Page
from tests.screenshots.files import keep

ROOT = Path(__file__).parents[2]
DESKTOP, TALL, PHONE, TALL_PHONE = (1180, 640), (1180, 900), (400, 860), (400, 1060)
COMPOSER = "#channel-composer-input"
PATIENCE = 300.0  # seconds: the model answers on whatever machine this is


@dataclass(frozen=True)
class Scene:
    """What is done in one language. `prompt` begins a story, `work` is looked up: a note of the bundled ones."""

    locale: str
    prompt: str
    work: str

    @property
    def code(self) -> str:
        """The language's."""
        return self.locale[:2]

    @property
    def words(self) -> Words:
        """The bot's, in this language."""
        return words_for(self.locale)


SCENES = (
    Scene("ko", "홍길동이 현대의 서울에서 눈을 뜬다. 이야기를 시작해 줘.", "홍길동전"),
    Scene("ar", "تحكي شهرزاد حكاية جديدة عن مدينة تحت البحر. ابدأ القصة.", "ألف ليلة وليلة"),
    Scene("hi", "चन्द्रकान्ता को तिलिस्म में एक पुराना नक्शा मिलता है। कहानी शुरू करो।", "चन्द्रकान्ता (उपन्यास)"),
    Scene("en-US", "Elizabeth Bennet finds a letter that is not for her. Begin.", "Pride and Prejudice"),
)  # fmt: skip


def pages() -> dict[str, dict[str, str]]:
    """The bundled notes of the works, as wikis: language → title → text."""
    found: dict[str, dict[str, str]] = {}
    for scene in SCENES:
        code = scene.code
        notes = json.loads((ROOT / "model" / "catalogue" / "notes" / f"{code}.json").read_text("utf-8"))
        found[code] = {note["title"]: note["text"] for note in notes if note["title"] == scene.work}
        assert found[code], f"there is no note about {scene.work}"
    return found


async def make_history(folder: Path) -> None:
    """Requests of a month, so that statistics have something to show. Made up, and the same each time."""
    chance, today = random.Random(20), now()
    async with open_database(f"sqlite+aiosqlite:///{folder / 'fanfabler.db'}") as database:
        await upgrade(database)
        async with database.transaction() as session:
            await _add_requests(session, chance, today)


async def _add_requests(session: AsyncSession, chance: random.Random, today: datetime) -> None:
    session.add_all(Member(id=number) for number in range(1, 10))
    for day in range(30):
        for _ in range(chance.randrange(6, 30)):
            at = today - timedelta(days=29 - day, minutes=chance.randrange(5, 600))
            code = chance.choices(("en", "ko", "ar", "hi", "fi"), (9, 6, 4, 4, 2))[0]
            member = chance.randrange(1, 10)
            story = Conversation(guild_id=GUILD_ID, channel_id=1, opener_id=member, title="x", language=code)
            session.add(story)
            await session.flush()
            answer = Message(
                conversation_id=story.id,
                role=Role.ASSISTANT,
                expected_language=code,
                written_language=code if chance.random() < 0.98 else "en",
                created_at=at,
            )
            session.add(answer)
            await session.flush()
            failed = chance.random() < 0.04
            session.add(
                Job(
                    conversation_id=story.id,
                    answer_id=answer.id,
                    member_id=member,
                    guild_id=GUILD_ID,
                    status=JobStatus.FAILED if failed else JobStatus.DONE,
                    created_at=at,
                    first_text_at=at + timedelta(seconds=chance.uniform(0.6, 3)),
                )
            )
            if chance.random() < 0.3:
                rating = 1 if chance.random() < 0.8 else -1
                session.add(Feedback(message_id=answer.id, member_id=member, rating=rating, created_at=at))


@asynccontextmanager
async def preview(folder: Path, wikipedia: str) -> AsyncIterator[str]:
    """`python -m bot preview` as its own process; its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "preview", "--state", str(folder), "--port", "0",
        cwd=ROOT,
        env={
            **os.environ, "WIKIPEDIA_URL": wikipedia, "OMP_NUM_THREADS": "2", "COLUMNS": "200",
            "GREET_SERVERS": "false", "THREAD_TITLES": "false", "MAX_ANSWER_TOKENS": "160",
        },
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = ""
    try:
        async with asyncio.timeout(PATIENCE):
            while (found := re.search(r"http://127\.0\.0\.1:\d+/#[\w-]+", said)) is None:
                line = (await process.stderr.readline()).decode()
                assert line, f"the preview ended: {said}"
                said += line
        drain = asyncio.create_task(process.stderr.read())
        yield found.group()
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(drain, 30)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def take(browser: Chromium, url: str, scene: Scene) -> None:
    """The pictures of one scene."""
    page = await browser.open(url, width=DESKTOP[0], height=DESKTOP[1])
    await page.find(".place", PATIENCE)
    await page.evaluate(
        f"(p => {{ p.value = {json.dumps(scene.locale)}; p.dispatchEvent(new Event('change')) }})"
        "(document.querySelector('.locale-control select'))"
    )
    await asyncio.sleep(2)
    for part in (_story, _canon, _admin):
        await part(page, scene)
    assert page.errors == []


async def _story(page: Page, scene: Scene) -> None:
    """A story's first answer with its buttons; on a desktop and on a phone."""
    await command(page, "/story start", prompt=scene.prompt)
    await page.find("body.in-thread", PATIENCE)
    again = json.dumps(scene.words.say("Again"))
    await page.until(
        f"[...document.querySelectorAll('button')].some(b => b.innerText.includes({again}))", PATIENCE
    )
    await page.until("!document.querySelector('.typing').innerText", PATIENCE)
    await picture(page, f"story-{scene.code}", DESKTOP)
    await picture(page, f"story-{scene.code}-phone", PHONE)


async def _canon(page: Page, scene: Scene) -> None:
    """A page of Wikipedia, beside the story."""
    await command(page, "/canon", term=scene.work)
    await page.see("CC BY-SA", patience=PATIENCE)
    await picture(page, f"canon-{scene.code}", TALL)


async def _admin(page: Page, scene: Scene) -> None:
    """What a server's admins see, in the channel: settings, and statistics on a phone."""
    if await page.evaluate("document.body.classList.contains('in-thread')"):
        await page.click(".place-back")
        await page.until("!document.body.classList.contains('in-thread')")
    await command(page, "/admin settings show")
    await page.see(scene.words.say("How I behave in this server"), patience=PATIENCE)
    await picture(page, f"settings-{scene.code}", TALL)
    await command(page, "/admin stats")
    await page.see("1 · ", patience=PATIENCE)
    await page.until("[...document.images].every(i => i.complete && i.naturalWidth)", PATIENCE)
    await picture(page, f"stats-{scene.code}-phone", TALL_PHONE)


async def command(page: Page, name: str, **options: str) -> None:
    """Use a command, as a member types it. A page that is still settling may lose what is typed."""
    for _ in range(20):
        await page.focus(COMPOSER)
        await page.evaluate("document.execCommand('selectAll')")
        await page.type(name)
        with suppress(AssertionError):
            await page.see(name, within="[role=option]", patience=15)
            break
    await page.press("Enter")
    await page.find(".command-chip")
    for option, value in options.items():
        await page.fill(f"input[data-option={option}]", value)
    await send(page)


async def send(page: Page) -> None:
    """Press Enter until the command is on its way: suggestions that open late take the key for themselves."""
    for _ in range(40):
        await asyncio.sleep(0.5)
        if not await page.evaluate("Boolean(document.querySelector('.command-chip:not(:disabled)'))"):
            return
        await page.press("Escape")
        await page.press("Enter")
    raise AssertionError("the command is still being written")


async def picture(page: Page, name: str, size: tuple[int, int]) -> None:
    """What the page shows, in this size."""
    await page.resize(*size, scale=1.5 if size in (PHONE, TALL_PHONE) else 1)
    await page.rest()
    await page.until(
        "![...document.querySelectorAll('.channel-message button')].some(b => b.disabled && b.checkVisibility())",
        PATIENCE,
    )
    await asyncio.sleep(1.5)  # what moves comes to rest
    shot = await page.screenshot(Path(os.environ.get("TMPDIR", "/tmp")) / f"{name}.png")
    print("wrote", keep(shot, name, flat=True), flush=True)  # noqa: T201
    shot.unlink()
    await page.resize(*DESKTOP)

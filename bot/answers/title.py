"""The title of a thread, written by the model in the thread's language once the first answer stands there."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import regex

from bot.answers.aside import AsideFailed, ask_aside
from bot.answers.stage import Stage
from bot.answers.store import Work
from bot.conversations.repository import ConversationRepository
from bot.database.connection import Database
from bot.database.tables import MessageStatus, Role
from bot.errors import StageError
from bot.moderation.guard import Guard, Spot
from bot.text.length import utf16_units
from bot.text.safety import for_title
from bot.worker_client import Worker
from model.conversation import system_prompt
from model.detection import clear_language, detect_language
from model.languages import LANGUAGES
from model.lookup_tag import parse_reply

log = logging.getLogger(__name__)

# How much of the request and of the answer the model is shown, in characters.
_REQUEST, _ANSWER = 600, 900
_MAX_TOKENS = 48
_PATIENCE = 30.0
_LONGEST = 80
_MOST_WORDS = 14

# «Title:» in the forty languages, which models like to put in front.
_LABELS = (
    "title", "titre", "titel", "название", "заголовок", "título", "titolo", "tytuł", "标题", "題目", "タイトル", "題名",
    "назва", "tiêu đề", "العنوان", "عنوان", "títol", "наслов", "naslov", "judul", "제목", "tittel", "başlık", "otsikko",
    "název", "cím", "titlu", "titlul", "izenburua", "tajuk", "כותרת", "վերնագիր", "заглавие", "názov", "pealkiri",
    "τίτλος", "pavadinimas", "ชื่อเรื่อง", "शीर्षक", "kichwa",
)  # fmt: skip
_LABEL = regex.compile(rf"\A(?:{'|'.join(_LABELS)})\s*[:：]\s*", regex.IGNORECASE)
_MARKUP = regex.compile(r"\A(?:[#>*\-–—•\s]|\d+[.)]\s)+|[*_`\s]+\Z")
_QUOTES = "\"'“”„‟‘’‚«»‹›「」『』《》〈〉"
_QUOTED = regex.compile(rf"\A[{_QUOTES}](.+)[{_QUOTES}]\Z")


class Entitler:
    """A follow-up of the first answer: asks the model for a title and gives it to the thread. What is not fit to be
    one is dropped; the thread keeps the beginning of its prompt then."""

    def __init__(self, database: Database, worker: Worker, stage: Stage, guard: Guard) -> None:
        self._database = database
        self._worker = worker
        self._stage = stage
        self._guard = guard

    async def after(self, work: Work, stop: asyncio.Event) -> None:
        """Give the thread its title, where it has none of its own and this is its first answer."""
        if work.conversation.titled or stop.is_set() or not _is_first(work):
            return
        title = await self._ask(work, stop)
        spot = Spot.of(work.conversation, work.job.member_id)
        if title is None or not await self._guard.passes(title, spot):
            return
        try:
            name = await self._stage.rename(work.conversation, title)
        except StageError as error:
            log.info("thread %s keeps its title: %s", work.conversation.thread_id, error)
            return
        async with self._database.transaction() as session:
            conversation = await ConversationRepository(session).locked(work.conversation.id)
            conversation.title, conversation.titled = name, True

    async def _ask(self, work: Work, stop: asyncio.Event) -> str | None:
        """The model's title; None where it has none, or where a member stops it."""
        language = LANGUAGES[work.conversation.language]
        asking = asyncio.ensure_future(
            ask_aside(
                self._worker,
                system_prompt(language),
                question(work),
                max_tokens=_MAX_TOKENS,
                patience=_PATIENCE,
                purpose="title",
            )
        )
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({asking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return title_in(asking.result(), language.code) if asking.done() else None
        except AsideFailed as error:
            log.info("no title for thread %s: %s", work.conversation.thread_id, error)
            return None
        finally:
            for task in (asking, stopping):
                task.cancel()
                with suppress(asyncio.CancelledError, AsideFailed):
                    await task


def question(work: Work) -> str:
    """What the model is asked: how the story begins, and what is wanted."""
    language = LANGUAGES[work.conversation.language]
    asked = next(m.content for m in work.path if m.role == Role.USER)
    answer = parse_reply(work.answer.content, language.code).text
    return (
        f"{asked[:_REQUEST]}\n\n---\n\n{answer[:_ANSWER]}\n\n---\n\n"
        f"Write a title for this story in {language.english_name} ({language.own_name}), of at most six words. "
        "Answer with the title alone: one line, no quotation marks, no explanation."
    )


def title_in(answer: str, language: str) -> str | None:
    """The title that the model's answer gives, fit to be shown; None where there is none, or it is long, or clearly
    in another language."""
    lines = (line for line in answer.splitlines() if line.strip(" \t#*-_>"))
    title = _MARKUP.sub("", next(lines, ""))
    title = _MARKUP.sub("", _LABEL.sub("", title))
    before = None
    while title != before:
        before = title
        title = _QUOTED.sub(r"\1", title.removesuffix(".").removesuffix("。").strip())
    title = for_title(title)
    if not any(char.isalpha() for char in title) or ">>>" in title:
        return None
    if utf16_units(title) > _LONGEST or len(title.split()) > _MOST_WORDS:
        return None
    return title if _may_be_in(title, language) else None


def _may_be_in(title: str, language: str) -> bool:
    """A few words tell little, names above all: only what is beyond doubt speaks against a title."""
    found = detect_language(title, language)
    if found is None or found == language:
        return True
    if LANGUAGES[found].script != LANGUAGES[language].script:
        return False
    return clear_language(title, language) in (None, language)


def _is_first(work: Work) -> bool:
    """Whether this is the first answer of its branch, and one with text that was not stopped or blocked."""
    begun = any(m.role == Role.ASSISTANT and m.content for m in work.path)
    asked = any(m.role == Role.USER and m.content for m in work.path)
    shown = work.answer.status == MessageStatus.WRITTEN and work.answer.finish_reason != "stopped"
    return asked and shown and not begun and bool(work.answer.content.strip())

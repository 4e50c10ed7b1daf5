"""A manuscript as JSON, for programs: one object in UTF-8, whose form is `StoryFile`
(`StoryFile.model_json_schema()` is that as JSON Schema).

Within a `version` fields may be added, but never change what they mean. `messages` are in OpenAI's form (`role`,
`content`), so a story that is exported with the talk around it is a chat that `python -m training import` reads, with
its language, its work and its background. Without the talk there are answers alone, which make no chat.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from bot.export.credits import credits_of
from bot.export.manuscript import WRITER, Manuscript, Passage, Source
from bot.text.cleaning import clean
from model.wikipedia import LICENCE


def _seconds(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(_seconds)]


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WorkDetails(_Object):
    """About the work, in the words of the Archive of Our Own."""

    title: str
    fandoms: list[str]
    rating: str
    warnings: list[str]
    relationships: list[str]
    characters: list[str]
    tags: list[str]
    summary: str


class StoryMessage(_Object):
    """A turn. `name` is a member's display name, or the bot's; `model` wrote an answer, where that is known."""

    role: Literal["user", "assistant"]
    name: str
    content: str
    written_at: Moment
    model: str | None = None


class BackgroundPage(_Object):
    """A page that the model was shown. Bundled notes have neither `url` nor `revision`."""

    title: str
    language: str
    text: str
    source: Literal["wikipedia", "bundled"]
    licence: str
    url: str | None = None
    revision: int | None = None


class StoryFile(_Object):
    """A branch of a story. `id` is the same for the same branch; `language` is the code of its Wikipedia; `fandom` is
    the first of the fandoms; `changed_at` is the time of the newest passage; `credits` are to be shown with it."""

    format: Literal["fanfabler-story"] = "fanfabler-story"
    version: Literal[1] = 1
    id: str
    language: str
    changed_at: Moment
    with_talk: bool
    fandom: str
    details: WorkDetails
    contributors: list[str]
    credits: list[str]
    messages: Annotated[list[StoryMessage], Field(min_length=1)]
    background: list[BackgroundPage]


def as_json(manuscript: Manuscript) -> str:
    """The story as JSON."""
    story = StoryFile(
        id=manuscript.identifier,
        language=manuscript.language.code,
        changed_at=manuscript.changed_at,
        with_talk=manuscript.with_talk,
        fandom=manuscript.details.fandoms[0],
        details=WorkDetails.model_validate(manuscript.details.as_json()),
        contributors=list(manuscript.contributors),
        credits=[credit.text for credit in credits_of(manuscript)],
        messages=[_message(passage) for passage in manuscript.passages],
        background=[_page(source) for source in manuscript.sources],
    )
    return story.model_dump_json(indent=1, exclude_none=True) + "\n"


def _message(passage: Passage) -> StoryMessage:
    return StoryMessage(
        role="user" if passage.author is not None else "assistant",
        name=passage.author if passage.author is not None else WRITER,
        content=clean(passage.text),
        written_at=passage.written_at,
        model=passage.model,
    )


def _page(source: Source) -> BackgroundPage:
    return BackgroundPage(
        title=source.title,
        language=source.language,
        text=source.text,
        source="wikipedia" if source.from_wikipedia else "bundled",
        licence=LICENCE,
        url=source.url,
        revision=source.revision,
    )

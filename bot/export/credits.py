"""Who made a story and what it draws on, in the story's language, for all formats alike."""

from __future__ import annotations

from dataclasses import dataclass

from bot.export.manuscript import WRITER, Manuscript, Source
from bot.words import Words, words_in
from model.languages import LANGUAGES

LICENCE_URL = "https://creativecommons.org/licenses/by-sa/4.0/"


@dataclass(frozen=True)
class Credit:
    """A line of the credits; `url` is where what it is about can be read."""

    text: str
    url: str | None = None


def words_of(manuscript: Manuscript) -> Words:
    """The bot's words in the language of the story."""
    return words_in(manuscript.language.code)


def byline(manuscript: Manuscript) -> str:
    """Who wrote it, as one sentence."""
    words = words_of(manuscript)
    if not manuscript.contributors:
        return words.say("Written with {bot}", bot=WRITER)
    return words.say(
        "By {names}, written with {bot}", names=words.listed(manuscript.contributors), bot=WRITER
    )


def facts_of(manuscript: Manuscript) -> list[tuple[str, str]]:
    """Label and value of what is known about the work."""
    words, details = words_of(manuscript), manuscript.details
    rows = [
        (words.say("Fandom:"), ", ".join(details.fandoms)),
        (words.say("Rating:"), details.rating),
        (words.say("Relationships:"), ", ".join(details.relationships)),
        (words.say("Characters:"), ", ".join(details.characters)),
        (words.say("Tags:"), ", ".join(details.tags)),
    ]
    return [(label, value) for label, value in rows if value]


def credits_of(manuscript: Manuscript) -> list[Credit]:
    """The byline, what the model's licence wants said, and the pages used with their licence."""
    words = words_of(manuscript)
    lines = [Credit(byline(manuscript)), *map(Credit, manuscript.notices)]
    lines += [_credit(source, words) for source in manuscript.sources]
    if manuscript.sources:
        lines.append(
            Credit(
                words.say("Facts of the original work are from these pages, under CC BY-SA 4.0."), LICENCE_URL
            )
        )
    return lines


def _credit(source: Source, words: Words) -> Credit:
    name = LANGUAGES[source.language].own_name if source.language in LANGUAGES else source.language
    if not source.from_wikipedia:
        return Credit(
            words.say(
                "“{title}”, one of FanFabler's bundled notes ({language})", title=source.title, language=name
            )
        )
    if source.revision is None:
        return Credit(
            words.say("“{title}”, Wikipedia ({language})", title=source.title, language=name), source.url
        )
    return Credit(
        words.say(
            "“{title}”, Wikipedia ({language}), revision {revision}",
            title=source.title,
            language=name,
            revision=source.revision,
        ),
        source.url,
    )

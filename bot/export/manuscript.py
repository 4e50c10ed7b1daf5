"""A story as it is to be exported: values only, made by `composing` and written by a module a format."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.export.details import Details
from model.languages import Language

WRITER = "FanFabler"
"""Who speaks where no member does."""

# BCP 47 has more to say than Wikipedia's codes for these.
_LANGUAGE_TAGS = {"no": "nb", "zh": "zh-Hans", "sr": "sr-Cyrl"}


@dataclass(frozen=True)
class Passage:
    """A turn that has text. `author` is a member's display name, None where it is an answer."""

    text: str
    author: str | None
    written_at: datetime
    model: str | None = None


@dataclass(frozen=True)
class Source:
    """A page whose text the model was shown. Bundled notes have neither address nor revision."""

    title: str
    language: str
    text: str
    url: str | None
    revision: int | None
    from_wikipedia: bool


@dataclass(frozen=True)
class Chapter:
    """An answer, and what members said before it where that is told too."""

    number: int
    passages: tuple[Passage, ...]


@dataclass(frozen=True)
class Manuscript:
    """One branch of a story. `identifier` is the same for the same branch; `changed_at` is its newest passage's time;
    `notices` is what the models' licences want shown; `with_talk` says that members' turns are among the passages."""

    identifier: str
    language: Language
    details: Details
    passages: tuple[Passage, ...]
    with_talk: bool
    contributors: tuple[str, ...]
    notices: tuple[str, ...]
    sources: tuple[Source, ...]
    changed_at: datetime

    @property
    def language_tag(self) -> str:
        """The story's language as BCP 47 has it."""
        return language_tag(self.language.code)

    def chapters(self) -> list[Chapter]:
        """One for each answer; what members said after the last one goes with it."""
        groups: list[list[Passage]] = []
        begun: list[Passage] = []
        for passage in self.passages:
            begun.append(passage)
            if passage.author is None:
                groups.append(begun)
                begun = []
        if begun:
            groups = [*groups[:-1], [*groups[-1], *begun]] if groups else [begun]
        return [Chapter(number, tuple(group)) for number, group in enumerate(groups, 1)]


def language_tag(code: str) -> str:
    """A code of the forty as BCP 47 has it."""
    return _LANGUAGE_TAGS.get(code, code)

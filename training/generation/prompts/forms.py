"""The forms of reply that the prompt sets share, and how each is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

from pydantic import Field, create_model

from model.lookup_tag import Reply
from training.chats import PROPERTY_TYPES, BackgroundNote, Property
from training.generation.errors import BadOutput
from training.generation.reading import (
    LONGEST_ANSWER,
    LONGEST_QUESTION,
    lookup_term,
    message_text,
    split_tag,
)
from training.generation.requests import Output

PROPERTIES = 20
"""Works per language."""


class ProposedProperty(Output):
    """A work, as the model proposes it."""

    local_name: str = Field(description="what its fans call the work in this language, in its own script")
    english_name: str = Field(description="its usual English name")
    property_type: Literal[PROPERTY_TYPES]  # type: ignore[valid-type]
    is_local: bool = Field(description="whether it was first made by speakers of this language")
    wikipedia_title: str = Field(description="the title of its article in this language's Wikipedia")

    def as_property(self) -> Property:
        """The work with its names on one line each. Raises `BadOutput` where one is missing."""
        names = [
            " ".join(name.split()) for name in (self.local_name, self.english_name, self.wikipedia_title)
        ]
        if not all(names):
            raise BadOutput("a work lacked a name", "bad property")
        return Property(
            local_name=names[0],
            english_name=names[1],
            property_type=self.property_type,
            is_local=self.is_local,
            wikipedia_title=names[2],
        )


class ProposedProperties(Output):
    """The twenty works of a language."""

    properties: list[ProposedProperty]


class Question(Output):
    """One message of a user."""

    question: str


class Answer(Output):
    """One message of the assistant."""

    answer: str


class AnswerWithLookup(Output):
    """One message of the assistant that asks for a page."""

    answer: str
    search_term: str


class NamesakeNote(Output):
    """A note about something."""

    title: str
    text: str


@cache
def questions_output(count: int) -> type[Output]:
    """The form of `count` questions: a field each, so that a strict schema cannot lose one."""
    if count == 1:
        return Question
    fields: dict[str, Any] = {f"question_{number}": (str, ...) for number in range(1, count + 1)}
    return create_model("Questions", __base__=Output, **fields)


def read_properties(output: ProposedProperties) -> list[Property]:
    """Twenty works, none twice. Raises `BadOutput`; more are cut off."""
    works: dict[str, Property] = {}
    for proposed in output.properties:
        work = proposed.as_property()
        works.setdefault(work.english_name.casefold(), work)
    if len(works) < PROPERTIES:
        raise BadOutput(f"it had {len(works)} different works instead of {PROPERTIES}", "too few")
    return list(works.values())[:PROPERTIES]


def read_questions(output: Output) -> list[str]:
    """The questions in their order, no two alike. Raises `BadOutput`."""
    texts = [message_text(text, longest=LONGEST_QUESTION) for _, text in output]
    if len({text.casefold() for text in texts}) < len(texts):
        raise BadOutput("two of the messages were the same", "repeated")
    return texts


def read_answer(output: Any, language: str) -> Reply:
    """The answer with its look-up. Raises `BadOutput`."""
    asked = lookup_term(output.search_term, language) if isinstance(output, AnswerWithLookup) else None
    # Models write the tag into the text though a field is there for it.
    text = split_tag(output.answer, language).text
    return Reply(message_text(text, longest=LONGEST_ANSWER), asked)


def answer_fields(text: str, language: str, *, lookup: bool) -> Mapping[str, Any]:
    """A plain answer as fields. Raises `BadOutput` where a tag is missing, or there is one that nobody wanted."""
    reply = split_tag(text, language)
    if lookup and reply.lookup is None:
        raise BadOutput("it did not end with the two >>> lines", "no tag")
    if not lookup and reply.lookup is not None:
        raise BadOutput("it ended with >>> lines, and nothing was to be looked up", "stray tag")
    return {"answer": reply.text, "search_term": reply.lookup.term if reply.lookup else ""}


def read_question(output: Question) -> str:
    """The one question. Raises `BadOutput`."""
    return message_text(output.question, longest=LONGEST_QUESTION)


def read_note(output: NamesakeNote) -> BackgroundNote:
    """The note. Raises `BadOutput`."""
    title = " ".join(output.title.split())
    if not title:
        raise BadOutput("its note had no title", "empty")
    text = message_text(output.text, longest=LONGEST_ANSWER)
    return BackgroundNote(title=title, text=text, source="written")


def question_fields(lines: Sequence[str]) -> Mapping[str, Any]:
    """The lines as the fields of `questions_output`."""
    if len(lines) == 1:
        return {"question": lines[0]}
    return {f"question_{number}": line for number, line in enumerate(lines, 1)}


def note_fields(text: str) -> Mapping[str, Any]:
    """Title and text of a note in plain text."""
    title, _, rest = text.strip().partition("\n")
    return {"title": title.strip("#*_ "), "text": rest.strip()}

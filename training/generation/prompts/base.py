"""What a prompt set is, and the chat that grows under its requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from model.conversation import ChatMessage, ContextNote, user_turn
from model.lookup_tag import Lookup, Reply, format_reply, parse_reply
from training.chats import BackgroundNote, Property
from training.generation.plan import ChatPlan
from training.generation.prompts.forms import PROPERTIES
from training.generation.requests import ReplyForm, Request
from training.generation.stages import Stage


@dataclass(frozen=True, slots=True)
class Draft:
    """A chat as far as it has been written. Assistants' messages have their tags."""

    plan: ChatPlan
    work: Property
    messages: tuple[ChatMessage, ...] = ()
    notes: tuple[BackgroundNote, ...] = ()
    noted: Mapping[int, tuple[BackgroundNote, ...]] = field(default_factory=dict)
    """Index of a user message → the notes that stand in front of it."""

    def asked(self, question: str) -> Draft:
        """The draft with another question, before which stand the notes found since the last one."""
        before = {note for notes in self.noted.values() for note in notes}
        new = tuple(note for note in self.notes if note not in before)
        noted = {**self.noted, len(self.messages): new} if new else self.noted
        message: ChatMessage = {"role": "user", "content": question}
        return replace(self, messages=(*self.messages, message), noted=noted)

    def answered(self, reply: Reply) -> Draft:
        """The draft with another answer."""
        message: ChatMessage = {"role": "assistant", "content": format_reply(reply)}
        return replace(self, messages=(*self.messages, message))

    def found(self, note: BackgroundNote) -> Draft:
        """The draft with another note."""
        return replace(self, notes=(*self.notes, note))

    def as_seen(self) -> tuple[ChatMessage, ...]:
        """The messages the way the user sees them: without tags."""
        return tuple(
            {"role": message["role"], "content": parse_reply(message["content"], self.plan.language).text}
            for message in self.messages
        )

    def as_served(self) -> tuple[ChatMessage, ...]:
        """The messages the way a model gets them: notes in front of what was asked after they were found."""
        served = list(self.messages)
        for index, notes in self.noted.items():
            context = [ContextNote(note.title, self.plan.language, note.text) for note in notes]
            served[index] = {"role": "user", "content": user_turn(served[index]["content"], context)}
        return tuple(served)


class PromptSet(Protocol):
    """The requests of each stage. Every method is pure, and `Request.slot` names the journal's line."""

    @property
    def name(self) -> str: ...

    def plan(self, language: str, works: int, chats: int, seed: int) -> list[ChatPlan]:
        """The chats about `works` works."""

    def groups(self, plans: Sequence[ChatPlan]) -> list[tuple[ChatPlan, ...]]:
        """The chats about one work, parted into those whose first questions are one request."""

    def properties(self, language: str) -> Request[list[Property]]:
        """Twenty works that speakers of the language write about."""

    def first_questions(self, work: Property, plans: Sequence[ChatPlan]) -> Request[list[str]]:
        """One question for each of the plans, in their order."""

    def first_answer(self, draft: Draft) -> Request[Reply]:
        """The answer to the first question, with or without the tag, as planned."""

    def namesake(self, draft: Draft, lookup: Lookup) -> Request[BackgroundNote]:
        """A note about something else that is called so."""

    def next_question(self, draft: Draft, stage: Stage) -> Request[str]:
        """What the user says next."""

    def next_answer(self, draft: Draft, stage: Stage) -> Request[Reply]:
        """The answer to it, with another look-up where the plan has one."""


def digest(prompts: PromptSet) -> str:
    """Changes when anything a set asks for does: a hash of its requests for one made-up chat."""
    work = Property(
        local_name="L", english_name="E", property_type="book", is_local=True, wikipedia_title="W"
    )
    note = BackgroundNote(title="T", text="N", source="written")
    lookup = Lookup("L", "en")
    asked: list[Request[Any]] = [prompts.properties("en")]
    plans = prompts.plan("en", PROPERTIES, 2, 0)
    asked += [
        prompts.first_questions(work, group)
        for number in range(1, PROPERTIES + 1)
        for group in prompts.groups([plan for plan in plans if plan.work == number])
    ]
    for plan in plans:
        draft = Draft(plan, work).asked("Q")
        asked.append(prompts.first_answer(draft))
        if plan.missed:
            asked.append(prompts.namesake(draft, lookup))
        draft = draft.answered(Reply("A", lookup)).found(note)
        asked.append(prompts.next_question(draft, Stage.SECOND_QUESTIONS))
        asked.append(prompts.next_answer(draft.asked("Q"), Stage.SECOND_ANSWERS))
    text = json.dumps(
        [
            (request.messages(form), request.schema(), request.max_tokens)
            for request in asked
            for form in ReplyForm
        ]
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]

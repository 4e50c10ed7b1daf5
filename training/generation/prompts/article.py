"""The prompt set `article`: what the FanFabler article asked for, stage by stage.

After R. Gonsalves, «FanFabler: Fine-Tuning Llama 3 to Be a Multilingual Fanfic Writing Assistant» (2024), whose
material is published under CC BY-SA. One question per request, always a look-up, no tasks. Where a server holds
replies to a schema, the two `>>>` lines are a field.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.conversation import ChatMessage
from model.languages import LANGUAGES
from model.lookup_tag import Lookup, Reply
from training.chats import IMPORTED, BackgroundNote, Property
from training.generation.plan import ChatPlan, plan_plainly
from training.generation.prompts.base import Draft
from training.generation.prompts.forms import (
    PROPERTIES,
    Answer,
    AnswerWithLookup,
    ProposedProperties,
    Question,
    answer_fields,
    read_answer,
    read_properties,
    read_question,
)
from training.generation.requests import Request, conversation, unquoted
from training.generation.stages import Stage

FIRST_ANSWER = """\
You are acting as a multilingual writing assistant for fan fiction. Start with brief, general advice. Then ask for \
the property's name and the language code of its Wikipedia."""
FIRST_ANSWER_PLAIN = """\
Put them at the end, after three greater-than signs each:
>>> property_name
>>> wiki_code"""
SECOND_ANSWER = """\
You are acting as a multilingual writing assistant for fan fiction. Respond to the user's query based on the \
conversation and the context, in the language of the query."""


class ArticlePrompts:
    """The article's set."""

    name = "article"

    def plan(self, language: str, works: int, chats: int, seed: int) -> list[ChatPlan]:
        """Chats all alike; nobody says what their users ask for, as in imported rows."""
        return plan_plainly(language, works, chats, IMPORTED)

    def groups(self, plans: Sequence[ChatPlan]) -> list[tuple[ChatPlan, ...]]:
        """One question a request."""
        return [(plan,) for plan in plans]

    def properties(self, language: str) -> Request[list[Property]]:
        name = LANGUAGES[language].english_name
        return Request(
            Stage.PROPERTIES,
            language,
            language,
            instructions="",
            turns=_user(
                f'{_about(language)}\n\nCreate a JSON list called "properties" of {PROPERTIES} properties that are '
                f"popular with {name} speakers who might want to write fan fiction. The property type could be "
                "books, tv shows, movies, video games, etc. Show a mix of locally produced and international "
                f"properties, {PROPERTIES} in total. List the common name of the property in the {name} language, "
                'for international ones too, with the key "local_name", the English name as "english_name", the '
                'type in lowercase English as "property_type", a Boolean "is_local" for locally produced ones, '
                'and the title of its Wikipedia article in the language as "wikipedia_title".'
            ),
            output=ProposedProperties,
            plain_form="",
            read_plain=lambda text: {},
            read=read_properties,
            texts=lambda works: (),
            max_tokens=6000,
        )

    def first_questions(self, work: Property, plans: Sequence[ChatPlan]) -> Request[list[str]]:
        (plan,) = plans
        language = LANGUAGES[plan.language]
        return Request(
            Stage.FIRST_QUESTIONS,
            plan.slot,
            plan.language,
            instructions="",
            turns=_user(
                f"Create a brief query to an AI writing assistant in the {language.english_name} language, in the "
                f"{language.script} script. The language code is {language.code}. The query is about creating fan "
                f"fiction for {work.local_name}, in the category {work.property_type}. Keep it to one sentence. "
                "Use some variety."
            ),
            output=Question,
            plain_form="",
            read_plain=lambda text: {"question": unquoted(text)},
            read=lambda output: [read_question(output)],
            texts=lambda questions: questions,
            max_tokens=400,
        )

    def first_answer(self, draft: Draft) -> Request[Reply]:
        language = draft.plan.language
        return Request(
            Stage.FIRST_ANSWERS,
            draft.plan.slot,
            language,
            instructions=FIRST_ANSWER,
            turns=draft.as_served(),
            output=AnswerWithLookup,
            plain_form=FIRST_ANSWER_PLAIN,
            read_plain=lambda text: answer_fields(text, language, lookup=True),
            read=lambda output: read_answer(output, language),
            texts=lambda reply: (reply.text,),
            max_tokens=1500,
        )

    def namesake(self, draft: Draft, lookup: Lookup) -> Request[BackgroundNote]:
        """The article had no look-ups that miss, and `plan` has none."""
        raise NotImplementedError

    def next_question(self, draft: Draft, stage: Stage) -> Request[str]:
        language = draft.plan.language
        context = "\n\n".join(f"{note.title}: {note.text}" for note in draft.notes)
        return Request(
            stage,
            draft.plan.slot,
            language,
            instructions="",
            turns=_user(
                f"{_about(language)}\n\nHere is a chat with an AI writing assistant for fan fiction.\n\n"
                f"{conversation(draft.as_seen())}\n\nContext from Wikipedia:\n{context}\n\n"
                "Create the user's brief follow-up query in the same language. Keep it to one sentence."
            ),
            output=Question,
            plain_form="",
            read_plain=lambda text: {"question": unquoted(text)},
            read=read_question,
            texts=lambda question: (question,),
            max_tokens=400,
        )

    def next_answer(self, draft: Draft, stage: Stage) -> Request[Reply]:
        language = draft.plan.language
        return Request(
            stage,
            draft.plan.slot,
            language,
            instructions=SECOND_ANSWER,
            turns=draft.as_served(),
            output=Answer,
            plain_form="",
            read_plain=lambda text: answer_fields(text, language, lookup=False),
            read=lambda output: read_answer(output, language),
            texts=lambda reply: (reply.text,),
            max_tokens=2500,
        )


def _about(code: str) -> str:
    language = LANGUAGES[code]
    return (
        f"Here is info on a language:\nLanguage: {language.english_name}\nScript: {language.script}\n"
        f"Wikipedia code: {language.code}"
    )


def _user(text: str) -> tuple[ChatMessage, ...]:
    return ({"role": "user", "content": text},)

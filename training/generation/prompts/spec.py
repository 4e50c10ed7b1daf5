"""The prompt set `spec`: chats to the standard of the shipped dataset.

Tasks, registers, rows without a look-up, look-ups that miss, later look-ups and rows of six messages come from
the plan; this says them in words.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.conversation import ChatMessage
from model.languages import LANGUAGES
from model.lookup_tag import Lookup, Reply
from training.chats import PROPERTY_TYPES, BackgroundNote, Property
from training.generation.plan import ChatPlan, plan_language
from training.generation.prompts.base import Draft
from training.generation.prompts.forms import (
    PROPERTIES,
    Answer,
    AnswerWithLookup,
    NamesakeNote,
    ProposedProperties,
    Question,
    answer_fields,
    note_fields,
    question_fields,
    questions_output,
    read_answer,
    read_note,
    read_properties,
    read_question,
    read_questions,
)
from training.generation.requests import Request, conversation, numbered_lines, unquoted
from training.generation.stages import Stage

QUESTIONS_AT_ONCE = 10

TASK_WORDS = {
    "ideas": "asks for ideas for a story",
    "opening": "asks for the opening of a story",
    "dialogue": "asks for a piece of dialogue",
    "continuation": "gives a line or two of their own story and asks how it goes on",
    "character_voice": "wants a character to sound right",
    "crossover": "wants to bring the work together with another one",
    "alternate_universe": "asks for an alternate universe: another time, place or turn of the plot",
    "plot_fix": "has a plot that is stuck or does not make sense, and wants it mended",
    "worldbuilding": "wants a part of the work's world worked out further",
    "title_summary_tags": "wants a title, a summary and tags for their story",
    "beta_read": "gives a few lines of their own and wants them beta-read",
    "canon_question": "asks something about what the work itself says, for the sake of their story",
}

VOICE = """\
Everything is natural, idiomatic {language} ({own_name}, script {script}), as a native fan-fiction writer types it, \
never translated English. Works and characters are called what speakers of {language} call them.
Suitable for teenagers: nothing sexual, nothing gory. No real persons as characters. Nothing is quoted verbatim \
from the works, and facts that matter are not invented: where unsure, stay general."""

HELPER = """\
You are FanFabler, a partner for writing fan fiction, and you answer a fan in {language}. The talk is about \
{work}.
{voice}
Vary the form as the matter asks: running prose, dialogue, a short list, a title block with tags. Light Markdown \
only (bold, italics, lists), no headings, no tables, at most one emoji. Begin with the matter itself: no «Of \
course!», no praise of the question, no «as an AI», no moralising."""

FIRST_LOOKUP = """\
This first answer has 50 to 120 words. Be useful at once with two or three concrete ideas or a first draft, and \
say in passing, in your own words, that you would like to look something up for the facts. Then name the article \
of the {language} Wikipedia to look up: the work itself, or a character or place of it, by the title it has there."""
FIRST_WITHOUT = """\
This first answer has 50 to 120 words. It is a question of craft: be useful at once with concrete advice or a first \
draft. No facts need to be looked up, and nothing is said of looking anything up."""
SECOND = """\
This answer has 90 to 220 words and is the best piece of help in the talk: vivid, specific prose where prose was \
asked for, crisp advice where advice was. {notes}"""
NOTES_FOUND = """\
Use facts from the notes that stand in front of the message (names, places, years) where they serve the story, and \
do not speak of the notes."""
NOTES_MISSED = """\
The look-up missed: the notes are about something else of the same or a similar name. Say so in half a sentence, \
use nothing of them, and go on from what the fan gave."""
NOTES_NONE = "Build on what has been said; there are no notes."
LATER = """\
At the end you want one more article of the {language} Wikipedia, about something else that the talk has come to: \
a character, a place, the other work of a crossover. Say in passing that you would look it up, and name its title."""

_NUMBERED_FORM = "Reply with the messages alone, as a numbered list, each on one line."
_ANSWER_FORM = "Reply with the answer alone."
_TAG_FORM = """\
Reply with the answer alone. It ends with a blank line and two more lines, and nothing after them:
>>> the title to look up
>>> {code}"""


class SpecPrompts:
    """Our own set."""

    name = "spec"

    def plan(self, language: str, works: int, chats: int, seed: int) -> list[ChatPlan]:
        return plan_language(language, works, chats, seed)

    def groups(self, plans: Sequence[ChatPlan]) -> list[tuple[ChatPlan, ...]]:
        """Up to ten at once: a model that sees the others makes them differ, and the prompt is paid for once."""
        return [
            tuple(plans[start : start + QUESTIONS_AT_ONCE])
            for start in range(0, len(plans), QUESTIONS_AT_ONCE)
        ]

    def properties(self, language: str) -> Request[list[Property]]:
        words = _words(language)
        return Request(
            Stage.PROPERTIES,
            language,
            language,
            instructions=(
                "You know what people all over the world write fan fiction about, and answer with real works "
                "only. Nothing about real people's private lives."
            ),
            turns=_user(
                f"List {PROPERTIES} works that speakers of {words['language']} ({words['own_name']}) write fan "
                f"fiction about. 10 to 14 of them were first made by speakers of {words['language']}, from "
                "classics to what is popular now; the others are international works that are loved there. At "
                f"least 7 different types, out of: {', '.join(PROPERTY_TYPES)}. No work twice."
            ),
            output=ProposedProperties,
            plain_form=(
                'Reply with one JSON object {"properties": [...]} whose items have the keys local_name, '
                "english_name, property_type, is_local (true or false) and wikipedia_title."
            ),
            read_plain=lambda text: {},
            read=read_properties,
            texts=lambda works: (),
            max_tokens=6000,
        )

    def first_questions(self, work: Property, plans: Sequence[ChatPlan]) -> Request[list[str]]:
        language = plans[0].language
        words = _words(language)
        several = len(plans) > 1
        these = "each of these chats" if several else "this chat"
        wanted = "\n".join(
            f"{number}. A fan who {TASK_WORDS[plan.task]}; {plan.register}; {plan.opening}."
            for number, plan in enumerate(plans, 1)
        )
        return Request(
            Stage.FIRST_QUESTIONS,
            group_slot(plans),
            language,
            instructions=(
                f"You write what fans type into a chat with a writing assistant for fan fiction, in "
                f"{words['language']}.\n{VOICE.format(**words)}"
            ),
            turns=_user(
                f"The work is {_title(work)}.\n"
                f"Write the first message of {these}, one or two sentences long:\n{wanted}\n"
                "The assistant can read nothing but the message, so a text that it is about stands in it. Name "
                "the work or somebody in it the way fans do."
                + (" No two messages begin alike or want the same." if several else "")
            ),
            output=questions_output(len(plans)),
            plain_form=_NUMBERED_FORM if several else "Reply with the message alone.",
            read_plain=lambda text: question_fields(numbered_lines(text, len(plans))),
            read=read_questions,
            texts=lambda questions: questions,
            max_tokens=300 * len(plans) + 100,
        )

    def first_answer(self, draft: Draft) -> Request[Reply]:
        plan = draft.plan
        words = _words(plan.language)
        ask = FIRST_LOOKUP if plan.lookup else FIRST_WITHOUT
        return _answer_request(
            Stage.FIRST_ANSWERS, draft, f"{_helper(draft)}\n\n{ask.format(**words)}", lookup=plan.lookup
        )

    def namesake(self, draft: Draft, lookup: Lookup) -> Request[BackgroundNote]:
        language = draft.plan.language
        words = _words(language)
        return Request(
            Stage.NAMESAKES,
            draft.plan.slot,
            language,
            instructions=(
                f"You write short encyclopedic notes in {words['language']} ({words['own_name']}): sober facts, no "
                "judgements, fewer of them rather than doubtful ones."
            ),
            turns=_user(
                f"Somebody looked up «{lookup.term}» and meant {_title(draft.work)}. Write 50 to 110 words about "
                "something quite different that has the same or a similar name (a place, a person of history, "
                "another work, an animal, a concept), and the title its article has in the "
                f"{words['language']} Wikipedia."
            ),
            output=NamesakeNote,
            plain_form="Reply with the title on the first line and the text below it.",
            read_plain=note_fields,
            read=read_note,
            texts=lambda note: (note.text,),
            max_tokens=900,
        )

    def next_question(self, draft: Draft, stage: Stage) -> Request[str]:
        plan = draft.plan
        words = _words(plan.language)
        notes = "\n\n".join(f"{note.title}\n{note.text}" for note in draft.notes)
        shown = f"\n\nThe assistant then showed this article:\n{notes}" if notes and not plan.missed else ""
        return Request(
            stage,
            plan.slot,
            plan.language,
            instructions=(
                f"You write what fans type into a chat with a writing assistant for fan fiction, in "
                f"{words['language']}.\n{VOICE.format(**words)}"
            ),
            turns=_user(
                f"The work is {_title(draft.work)}.\nThe chat so far:\n\n{conversation(draft.as_seen())}{shown}\n\n"
                "Write the fan's next message: one or two sentences that build on the last answer, pick "
                "something out of it and want more (a scene, a draft, a decision, a sharper version). The same "
                f"fan as before: {plan.register}."
            ),
            output=Question,
            plain_form="Reply with the message alone.",
            read_plain=lambda text: {"question": unquoted(text)},
            read=read_question,
            texts=lambda question: (question,),
            max_tokens=400,
        )

    def next_answer(self, draft: Draft, stage: Stage) -> Request[Reply]:
        plan = draft.plan
        words = _words(plan.language)
        later = plan.later and stage is Stage.SECOND_ANSWERS
        notes = NOTES_MISSED if plan.missed else NOTES_FOUND if draft.notes else NOTES_NONE
        instructions = f"{_helper(draft)}\n\n{SECOND.format(notes=notes)}"
        if later:
            instructions += f"\n{LATER.format(**words)}"
        return _answer_request(stage, draft, instructions, lookup=later)


def _answer_request(stage: Stage, draft: Draft, instructions: str, *, lookup: bool) -> Request[Reply]:
    language = draft.plan.language
    form = _TAG_FORM.format(code=language) if lookup else _ANSWER_FORM
    return Request(
        stage,
        draft.plan.slot,
        language,
        instructions=instructions,
        turns=draft.as_served(),
        output=AnswerWithLookup if lookup else Answer,
        plain_form=form,
        read_plain=lambda text: answer_fields(text, language, lookup=lookup),
        read=lambda output: read_answer(output, language),
        texts=lambda reply: (reply.text,),
        max_tokens=1500 if stage is Stage.FIRST_ANSWERS else 2500,
    )


def group_slot(plans: Sequence[ChatPlan]) -> str:
    """The journal's name for the first questions of these chats about one work."""
    first = plans[0].slot
    return first if len(plans) == 1 else f"{first}-{plans[-1].chat}"


def _helper(draft: Draft) -> str:
    words = _words(draft.plan.language)
    return HELPER.format(language=words["language"], work=_title(draft.work), voice=VOICE.format(**words))


def _words(language: str) -> dict[str, str]:
    found = LANGUAGES[language]
    return {"language": found.english_name, "own_name": found.own_name, "script": found.script}


def _title(work: Property) -> str:
    kind = work.property_type.replace("_", " ")
    english = "" if work.english_name == work.local_name else f", in English «{work.english_name}»"
    return f"«{work.local_name}»{english} ({kind})"


def _user(text: str) -> tuple[ChatMessage, ...]:
    return ({"role": "user", "content": text},)

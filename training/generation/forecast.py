"""What a run will take, before anything is paid for: calls, tokens and USD.

Every request is built as the run would build it, with a shipped chat of the language in the places of what is
not written yet. Tokens are those of Llama 3's tokenizer, by a table (`tokens`); other tokenizers
differ by some ten percent, more for scripts they know less well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from model.lookup_tag import Lookup, parse_reply
from training.chats import CHATS, BackgroundNote, Chat, Property, read_chats
from training.generation.budget import Prices
from training.generation.journal import Content, Usage
from training.generation.plan import ChatPlan
from training.generation.prompts import Draft, PromptSet
from training.generation.requests import ReplyForm, Request
from training.generation.run import Planned, Wanted, plan_chats
from training.generation.stages import Stage
from training.generation.tokens import tokens_per_character

MESSAGE_TOKENS = 4
"""Per message, as OpenAI's chat format adds them."""
JSON_TOKENS = 12
"""What a field's name and its quotation marks add to a reply."""


_Call = tuple[Request[Any], int, str]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of one stage and language: calls to be made, calls made already, and what the former will take."""

    stage: Stage
    language: str
    calls: int
    done: int
    usage: Usage


def forecast(
    prompts: PromptSet, wanted: Wanted, prices: Prices | None, kept: Mapping[Stage, Content]
) -> list[Forecast]:
    """What is to be done yet, by stage and language, if no reply is bad."""
    prices = prices or Prices(0.0, 0.0, "unknown")
    rows: dict[tuple[Stage, str], Forecast] = {}
    for code in wanted.languages:
        for request, written, reply in _requests(prompts, wanted, code):
            made = request.slot in kept[request.stage].entries and bool(
                kept[request.stage].entries[request.slot].replies
            )
            row = rows.get((request.stage, code), Forecast(request.stage, code, 0, 0, Usage()))
            usage = row.usage if made else row.usage + _usage(request, written, reply, prices)
            rows[request.stage, code] = Forecast(
                request.stage, code, row.calls + (not made), row.done + made, usage
            )
    return sorted(rows.values(), key=lambda row: (row.stage.depth, wanted.languages.index(row.language)))


def _requests(prompts: PromptSet, wanted: Wanted, code: str) -> Iterator[_Call]:
    """Every request of a language, the characters in it that are in that language, and a reply it may get."""
    works = wanted.works.get(code)
    samples = _samples(code)
    if works is None:
        works = [_stand_in(chat) for chat in samples]
        listed = "".join(work.model_dump_json() for work in works)
        yield prompts.properties(code), 0, listed
    if not wanted.chats:
        return
    for about_one in plan_chats(prompts, code, works, wanted):
        plans = [each.plan for each in about_one]
        for group in prompts.groups(plans):
            first = "\n".join(_sample(samples, plan).messages[0].content for plan in group)
            yield prompts.first_questions(about_one[0].work, group), 0, first
        for each in about_one:
            yield from _chat_requests(prompts, each, _sample(samples, each.plan))


def _chat_requests(prompts: PromptSet, planned: Planned, sample: Chat) -> Iterator[_Call]:
    plan = planned.plan
    texts = [turn.content for turn in sample.messages]
    draft = Draft(plan, planned.work).asked(texts[0])
    yield prompts.first_answer(draft), _length(draft), texts[1]
    draft = draft.answered(parse_reply(texts[1], plan.language))
    note = _note(plan.language)
    if plan.missed:
        yield prompts.namesake(draft, Lookup(planned.work.local_name, plan.language)), 0, note.text
    if plan.lookup:
        draft = draft.found(note)
    exchanges = [(Stage.SECOND_QUESTIONS, Stage.SECOND_ANSWERS)]
    if plan.six:
        exchanges.append((Stage.THIRD_QUESTIONS, Stage.THIRD_ANSWERS))
    for asking, answering in exchanges:
        yield prompts.next_question(draft, asking), _length(draft), texts[2]
        draft = draft.asked(texts[2])
        yield prompts.next_answer(draft, answering), _length(draft), texts[3]
        draft = draft.answered(parse_reply(texts[3], plan.language))


def _length(draft: Draft) -> int:
    return sum(len(message["content"]) for message in draft.as_served())


def _usage(request: Request[Any], written: int, reply: str, prices: Prices) -> Usage:
    ratio, english = tokens_per_character()[request.language], tokens_per_character()["en"]
    messages = request.messages(ReplyForm.SCHEMA)
    total = sum(len(message["content"]) for message in messages) + len(str(request.schema()))
    prompt = english * (total - written) + ratio * written + MESSAGE_TOKENS * len(messages)
    return prices.usage(
        round(prompt), round(len(reply) * ratio + len(request.output.model_fields) * JSON_TOKENS)
    )


@cache
def _samples(code: str) -> Sequence[Chat]:
    return read_chats(CHATS / f"{code}.jsonl")


def _sample(samples: Sequence[Chat], plan: ChatPlan) -> Chat:
    return samples[(plan.work + plan.chat) % len(samples)]


@cache
def _note(code: str) -> BackgroundNote:
    """A note of the length that look-ups find: the longest shipped one."""
    return max((note for chat in _samples(code) for note in chat.background), key=lambda note: len(note.text))


def _stand_in(chat: Chat) -> Property:
    return Property(
        local_name=chat.property,
        english_name=chat.property,
        property_type="tv_series",
        is_local=True,
        wikipedia_title=chat.property,
    )

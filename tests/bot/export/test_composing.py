"""From the rows of a branch to a manuscript."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.database.tables import CanonNote, Conversation, Message, MessageStatus, Rating, Role
from bot.export.composing import compose, notice_for
from bot.export.details import MADE_WITH_AI, ORIGINAL_WORK
from bot.export.manuscript import Manuscript

WHEN = datetime(2026, 11, 1, tzinfo=UTC)


def conversation(language: str = "en", **changes: Any) -> Conversation:
    values = {
        "id": 1,
        "channel_id": 2,
        "opener_id": 3,
        "title": "A dragon",
        "language": language,
        "rating": Rating.TEEN,
        "created_at": WHEN,
    }
    return Conversation(**{**values, **changes})


def branch(*turns: dict[str, Any]) -> list[Message]:
    """Members (with an author) and answers, a minute apart."""
    return [
        Message(
            **{
                "id": number,
                "role": Role.USER if "author_id" in turn else Role.ASSISTANT,
                "status": MessageStatus.COMPLETE,
                "created_at": WHEN + timedelta(minutes=number),
                **turn,
            }
        )
        for number, turn in enumerate(turns, 1)
    ]


def ada(text: str, **changes: Any) -> dict[str, Any]:
    return {"content": text, "author_id": 3, "author_name": "Ada", **changes}


def answer(text: str, **changes: Any) -> dict[str, Any]:
    return {"content": text, "model": "llama-3-8b-fanfic", **changes}


def texts(manuscript: Manuscript) -> list[str]:
    return [passage.text for passage in manuscript.passages]


def note(title: str, language: str = "en", **changes: Any) -> CanonNote:
    values = {"title": title, "language": language, "extract": "…", "source": "wikipedia", "revision": 7}
    return CanonNote(**{**values, **changes})


def test_without_the_talk_the_answers_are_the_story() -> None:
    path = branch(ada("a dragon"), answer("One."), ada("more"), answer("Two."))
    assert texts(compose(conversation(), path, {}, with_talk=False)) == ["One.", "Two."]
    told = compose(conversation(), path, {}, with_talk=True)
    assert [(p.author, p.text) for p in told.passages][:2] == [("Ada", "a dragon"), (None, "One.")]


def test_what_was_deleted_taken_back_or_blocked_and_tags_are_not_in_it() -> None:
    path = branch(
        ada("", deleted_at=WHEN),
        answer("One.\n\n>>> Dragon\n>>> en"),
        ada("two", taken_back_at=WHEN),
        answer("Taken.", taken_back_at=WHEN),
        answer("Blocked.", status=MessageStatus.BLOCKED),
        answer("Half an answer.\n>>> Dra", status=MessageStatus.STREAMING),
        answer("", status=MessageStatus.FAILED),
    )
    assert texts(compose(conversation(), path, {}, with_talk=True)) == ["One.", "Half an answer."]


def test_all_who_wrote_in_the_branch_are_credited_by_their_newest_names() -> None:
    path = branch(
        ada("one"),
        answer("One."),
        {"content": "two", "author_id": 4, "author_name": "Ben"},
        answer("Two."),
        ada("three", author_name="Ada L."),
        answer("Three."),
        {"content": "", "author_id": 5, "author_name": "Cai", "deleted_at": WHEN},
    )
    assert compose(conversation(), path, {}, with_talk=False).contributors == ("Ada L.", "Ben")


def test_the_context_that_an_answer_had_is_credited_and_that_found_last_is_not() -> None:
    path = branch(ada("a dragon"), answer("One."), ada("more"), answer("Two."))
    notes = {1: [note("Before")], 2: [note("Between"), note("Between")], 4: [note("After")]}
    sources = compose(conversation(), path, notes, with_talk=False).sources
    assert [(s.title, s.revision) for s in sources] == [("Before", 7), ("Between", 7)]


@pytest.mark.parametrize(
    ("language", "asked", "looked_up", "fandoms"),
    [
        ("en", "a story", None, (ORIGINAL_WORK,)),
        ("en", "what if Mr. Darcy of Pride and Prejudice stayed?", None, ("Pride and Prejudice",)),
        ("en", "a story", "Pride and Prejudice", ("Pride and Prejudice",)),
        ("en", "a story", "Some Other Book (novel)", ("Some Other Book",)),
        ("zh", "写一个故事", "西游记", ("西游记 | Journey to the West",)),
    ],
)
def test_the_fandom_is_the_work_that_was_looked_up_or_named(
    language: str, asked: str, looked_up: str | None, fandoms: tuple[str, ...]
) -> None:
    path = branch(ada(asked), answer("One."), ada("more"), answer("Two."))
    notes = {2: [note(looked_up, language)]} if looked_up else {}
    assert compose(conversation(language), path, notes, with_talk=False).details.fandoms == fandoms


def test_without_the_model_there_are_plain_details() -> None:
    path = branch(ada("a dragon"), answer("# One\n**Once** there was a dragon. " * 30))
    details = compose(conversation(rating=Rating.MATURE), path, {}, with_talk=False).details
    assert (details.title, details.rating, details.tags) == ("A dragon", "Mature", (MADE_WITH_AI,))
    assert details.summary.startswith("One Once there was a dragon.")
    assert len(details.summary) < 260


def test_the_same_branch_has_the_same_identifier_and_another_another() -> None:
    path = branch(ada("a"), answer("One."), ada("b"), answer("Two."))
    whole = compose(conversation(), path, {}, with_talk=False)
    assert whole.identifier == compose(conversation(), path, {}, with_talk=True).identifier
    assert whole.identifier != compose(conversation(), path[:2], {}, with_talk=False).identifier
    assert whole.changed_at == WHEN + timedelta(minutes=4)


@pytest.mark.parametrize(
    ("model", "notice"),
    [
        ("llama-3-8b-fanfic", "Built with Meta Llama 3"),
        ("Llama 3 FanFic v2", "Built with Meta Llama 3"),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", "Built with Llama"),
        ("Llama-3.2-1B-Instruct", "Built with Llama"),
        ("llama-3-1-8b", "Built with Llama"),
        ("llama-3.3-70b", "Built with Llama"),
        ("Llama-4-Scout-17B-16E", "Built with Llama"),
        ("meta-llama/Meta-Llama-3-8B-Instruct", "Built with Meta Llama 3"),
        ("unsloth/llama-3-8b-Instruct", "Built with Meta Llama 3"),
        ("llama-3-70b", "Built with Meta Llama 3"),
        ("llama-3-4x8b", "Built with Meta Llama 3"),
        ("llama3-8b-1", "Built with Meta Llama 3"),
        ("gemma-3-270m-fanfic", "Gemma is provided under and subject to the Gemma Terms of Use"),
        ("google/gemma-3-4b-it", "Gemma is provided under and subject to the Gemma Terms of Use"),
        ("llama-3-tiny", ""),
        ("mistral-7b", ""),
    ],
)
def test_the_lineage_of_a_model_decides_its_notice(model: str, notice: str) -> None:
    assert notice_for(model).startswith(notice)
    assert bool(notice_for(model)) == bool(notice)


@pytest.mark.parametrize(
    ("model", "fingerprint", "notice"),
    [
        ("mine", "llama3-8b/mine/fanfabler", "Built with Meta Llama 3"),
        ("mine", "llama3.1-8b/mine/llama3", "Built with Llama"),
        ("mine", "my-llama3-8b/mine/llama3", "Built with Meta Llama 3"),
        ("embedded-2", "embedded/embedded-2/gemma", "Gemma is provided under"),
        ("gemma-like", "llama3-8b/gemma-like/fanfabler", "Built with Meta Llama 3"),
        ("llama-like", "tiny/llama-like/plain", ""),
        ("mine", "fp_44709d6fcb", ""),
        ("mine", None, ""),
    ],
)
def test_an_adapter_of_any_name_has_the_notice_of_its_base(
    model: str, fingerprint: str | None, notice: str
) -> None:
    path = branch(ada("a dragon"), answer("One.", model=model, fingerprint=fingerprint))
    notices = compose(conversation(), path, {}, with_talk=False).notices
    assert [found.startswith(notice) for found in notices] == ([True] if notice else [])

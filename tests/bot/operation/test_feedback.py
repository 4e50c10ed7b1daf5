"""Which rated answers become rows of training data: rows in, rows out."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.database.tables import CanonNote, Conversation, Feedback, Message, MessageStatus, Rating, Role, now
from bot.operation.feedback import Harvest, LeftOut, Story, harvest, model_of

ADA, BEN = 11, 22


def says(number: int, parent: int | None, text: str, author: int = ADA, **more: object) -> Message:
    return Message(
        id=number, conversation_id=1, parent_id=parent, role=Role.USER, author_id=author,
        author_name="Ada", content=text, status=MessageStatus.COMPLETE, **more,
    )  # fmt: skip


def answers(number: int, parent: int, text: str, **more: object) -> Message:
    values: dict[str, object] = {"model": "one", "status": MessageStatus.COMPLETE, **more}
    return Message(
        id=number, conversation_id=1, parent_id=parent, role=Role.ASSISTANT, content=text, **values
    )


def verdict(message: int, rating: int, member: int = ADA) -> Feedback:
    return Feedback(message_id=message, member_id=member, rating=rating)


def made(
    messages: list[Message],
    feedback: list[Feedback],
    notes: dict[int, list[CanonNote]] | None = None,
    *,
    consenting: set[int] | None = None,
    rating: Rating = Rating.TEEN,
) -> Harvest:
    conversation = Conversation(id=1, channel_id=1, opener_id=ADA, title="x", language="en", rating=rating)
    return harvest(
        [
            Story(
                conversation,
                messages,
                notes or {},
                feedback,
                consenting if consenting is not None else {ADA, BEN},
            )
        ]
    )


TWO_TURNS = [says(1, None, "one?"), answers(2, 1, "One."), says(3, 2, "two?"), answers(4, 3, "Two.")]


def test_of_two_liked_answers_in_a_row_the_longer_chat_is_learnt_and_both_are_rated() -> None:
    found = made(TWO_TURNS, [verdict(2, 1), verdict(4, 1)])
    assert [row.id for row in found.rated] == ["feedback-2", "feedback-4"]
    assert [row.id for row in found.chats] == ["feedback-4"]
    assert [turn["content"] for turn in found.chats[0].messages] == ["one?", "One.", "two?", "Two."]


def test_a_chat_with_a_disliked_answer_in_it_is_rated_but_not_learnt() -> None:
    found = made(TWO_TURNS, [verdict(2, -1), verdict(4, 1)])
    assert (found.likes, found.dislikes) == (1, 1)
    assert found.chats == []


def test_a_chat_with_another_models_answer_in_it_is_rated_but_not_learnt() -> None:
    messages = [TWO_TURNS[0], answers(2, 1, "One.", model="other"), *TWO_TURNS[2:]]
    found = made(messages, [verdict(4, 1)])
    assert len(found.rated) == 1
    assert found.chats == []


def test_messages_in_a_row_are_one_turn_without_names() -> None:
    messages = [says(1, None, "one?"), says(2, 1, "or two?", BEN), answers(3, 2, "Two.")]
    (row,) = made(messages, [verdict(3, 1)]).rated
    assert row.messages[0] == {"role": "user", "content": "one?\n\nor two?"}
    assert row.people == {ADA, BEN}


def test_everybody_in_the_thread_has_to_agree_even_off_the_branch_and_the_rater_too() -> None:
    aside = says(9, 2, "something else", BEN)
    assert made([*TWO_TURNS, aside], [verdict(4, 1)], consenting={ADA}).left_out == {LeftOut.NO_CONSENT: 1}
    assert made(TWO_TURNS, [verdict(4, 1, BEN)], consenting={ADA}).left_out == {LeftOut.NO_CONSENT: 1}
    assert made([*TWO_TURNS, aside], [verdict(4, 1)]).left_out == {}


def test_a_story_begun_from_somebodys_message_needs_the_yes_of_both() -> None:
    messages = [says(1, None, "one?", BEN), answers(2, 1, "One.")]
    for consenting in ({ADA}, {BEN}):
        assert made(messages, [verdict(2, 1)], consenting=consenting).left_out == {LeftOut.NO_CONSENT: 1}
    (row,) = made(messages, [verdict(2, 1, BEN)]).rated
    assert row.people == {ADA, BEN}, "who takes it back is found"


def test_a_verdict_of_somebody_who_has_not_agreed_does_not_count() -> None:
    (row,) = made(TWO_TURNS, [verdict(4, 1), verdict(4, -1, BEN)], consenting={ADA}).rated
    assert row.liked
    assert row.people == {ADA}
    assert made(TWO_TURNS, [verdict(4, 1), verdict(4, -1, BEN)]).left_out == {LeftOut.DIVIDED: 1}


def test_what_cannot_be_used_is_left_out_with_the_reason() -> None:
    def reason(**more: object) -> dict[LeftOut, int]:
        return dict(made([says(1, None, "one?"), answers(2, 1, "One.", **more)], [verdict(2, 1)]).left_out)

    assert reason(status=MessageStatus.STOPPED) == {LeftOut.UNFINISHED: 1}
    assert reason(finish_reason="length") == {LeftOut.UNFINISHED: 1}
    assert reason(expected_language="en", written_language="de") == {LeftOut.WRONG_LANGUAGE: 1}
    assert reason(model=None) == {LeftOut.UNKNOWN_MODEL: 1}
    assert reason() == {}
    assert made(TWO_TURNS, [verdict(2, 1)], rating=Rating.MATURE).left_out == {LeftOut.MATURE: 1}
    gone = [says(1, None, "", deleted_at=now()), answers(2, 1, "One.")]
    assert made(gone, [verdict(2, 1)]).left_out == {LeftOut.GAPS: 1}


def test_answers_to_an_earlier_wording_are_left_out() -> None:
    asked, changed, anew = (now() + timedelta(minutes=minutes) for minutes in (0, 1, 2))

    def left_out(first: datetime, second: datetime, rated: int) -> dict[LeftOut, int]:
        messages = [
            says(1, None, "one?", edited_at=changed),
            answers(2, 1, "One.", created_at=first),
            says(3, 2, "two?"),
            answers(4, 3, "Two.", created_at=second),
        ]
        return dict(made(messages, [verdict(rated, 1)]).left_out)

    assert left_out(asked, asked, 2) == {LeftOut.GAPS: 1}
    assert left_out(asked, anew, 4) == {LeftOut.GAPS: 1}
    assert left_out(anew, anew, 2) == left_out(anew, anew, 4) == {}
    later = [
        says(1, None, "one?"),
        answers(2, 1, "One.", created_at=asked),
        says(3, 2, "b", edited_at=changed),
    ]
    assert made(later, [verdict(2, 1)]).left_out == {}, "what comes behind it changes nothing"


def test_what_was_taken_back_is_not_learnt() -> None:
    back = [says(1, None, "one?", taken_back_at=now()), answers(2, 1, "One.", taken_back_at=now())]
    assert made(back, [verdict(2, -1)]).left_out == {LeftOut.GAPS: 1}
    kept = [says(1, None, "one?"), answers(2, 1, "One."), says(3, 2, "two?", taken_back_at=now())]
    assert len(made(kept, [verdict(2, 1)]).rated) == 1


def test_a_look_up_of_the_first_answer_is_in_the_row_as_the_dataset_has_it() -> None:
    first = answers(2, 1, "One.", lookup_term="Heron", lookup_language="en")
    note = CanonNote(
        title="Heron", language="en", extract="A bird.", source="wikipedia", url="https://x", revision=7
    )
    (row,) = made([TWO_TURNS[0], first, *TWO_TURNS[2:]], [verdict(4, 1)], {2: [note]}).rated
    assert row.lookup == {"term": "Heron", "language": "en"}
    assert row.messages[1]["content"] == "One.\n\n>>> Heron\n>>> en"
    assert row.background == (
        {"title": "Heron", "text": "A bird.", "source": "wikipedia", "url": "https://x", "revision": 7},
    )


def test_a_look_up_in_another_language_than_the_storys_is_not_learnt() -> None:
    first = answers(2, 1, "One.", lookup_term="Reiher", lookup_language="de")
    (row,) = made([TWO_TURNS[0], first], [verdict(2, 1)]).rated
    assert row.lookup is None
    assert row.messages[1]["content"] == "One."


def test_our_workers_fingerprint_says_more_than_the_models_name() -> None:
    assert model_of(answers(2, 1, "x", model="one", fingerprint="embedded/one/gemma")) == "embedded/one/gemma"
    assert model_of(answers(2, 1, "x", model="one", fingerprint="vllm-0.33")) == "one"

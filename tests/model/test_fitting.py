"""What is dropped first where a conversation is too much for the window."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.conversation import (
    BIBLE_BEGIN,
    NOTES_BEGIN,
    TOKENS_PER_MESSAGE,
    ChatMessage,
    ContextNote,
    Turn,
    build,
    system_prompt,
)
from model.errors import PromptTooLong
from model.fitting import MAX_PASSED_ON, Memory, fit, passed_on
from model.languages import LANGUAGES

NOTE = ContextNote("Dune", "en", "Dune is a novel of 1965 by Frank Herbert.")
OTHER = ContextNote("Arrakis", "en", "Arrakis is a planet.")


def words(text: str) -> int:
    return len(text.split())


def total(messages: list[ChatMessage]) -> int:
    return sum(words(message["content"]) + TOKENS_PER_MESSAGE for message in messages)


def conversation(pairs: int) -> list[Turn]:
    turns = []
    for number in range(pairs):
        turns += [Turn("user", f"question {number}"), Turn("assistant", f"answer {number} " + "word " * 20)]
    return [*turns, Turn("user", "last question")]


def test_what_fits_is_left_whole() -> None:
    turns = conversation(3)
    prompt = fit("System", turns, words, window=1000, reserve=100)
    assert prompt.messages() == build("System", turns)
    assert prompt.dropped == 0


def test_the_oldest_turns_go_first_and_a_user_turn_begins() -> None:
    prompt = fit("System", conversation(10), words, window=200, reserve=50)
    messages = prompt.messages()
    assert prompt.dropped == 21 - len(prompt.turns)
    assert [message["role"] for message in messages[:2]] == ["system", "user"]
    assert messages[-1]["content"] == "last question"
    assert messages[1:] == build("System", conversation(10))[-len(messages) + 1 :]
    assert total(messages) <= 150 < total(build("System", conversation(10))[-len(messages) - 1 :])


def test_notes_outlive_the_turns_that_brought_them() -> None:
    turns = conversation(10)
    turns[0] = Turn("user", "question 0", (NOTE,))
    messages = fit("System", turns, words, window=200, reserve=50).messages()
    assert len(messages) < 10
    assert messages[1]["content"].startswith(f"{NOTES_BEGIN}\nDune (en)")


def test_of_many_notes_the_newest_outlive_their_turns_each_page_once() -> None:
    notes = [ContextNote(f"Page {number}", "en", "old") for number in range(10)]
    kept = passed_on([*notes, ContextNote("Page 5", "en", "new")])
    assert [note.title for note in kept] == ["Page 4", "Page 6", "Page 7", "Page 8", "Page 9", "Page 5"]
    assert kept[-1].text == "new"
    assert len(kept) == MAX_PASSED_ON


def test_the_memory_stands_in_front_of_the_first_question_that_is_told() -> None:
    memory = Memory(("Paul is blind.",), "They met.")
    system = system_prompt(LANGUAGES["de"])
    whole = fit(system, conversation(2), words, window=900, reserve=0, memory=memory).messages()
    short = fit(system, conversation(10), words, window=340, reserve=50, memory=memory).messages()
    for messages in (whole, short):
        assert messages[1]["content"].startswith(f"{BIBLE_BEGIN}\n- Paul is blind.")
        assert f"{NOTES_BEGIN}\nEarlier in this conversation (de)\nThey met." in messages[1]["content"]
        assert all("They met." not in message["content"] for message in messages[2:])
    assert len(short) < 21


def test_notes_go_next_the_oldest_first_then_the_summary_then_the_bible() -> None:
    long_note = ContextNote("Long", "en", "word " * 50)
    turns = [Turn("user", "one", (long_note,)), Turn("assistant", "two"), Turn("user", "three", (OTHER,))]
    memory = Memory(("Paul is blind.",), "They met.")

    def told(window: int) -> list[str]:
        messages = fit("System", turns, words, window=window, reserve=0, memory=memory).messages()
        assert messages[-1]["content"].endswith("three")
        parts = ("Paul is blind.", "They met.", "Arrakis is a planet.", "Long (en)")
        content = "".join(message["content"] for message in messages)
        return [part for part in parts if part in content]

    smallest = 1 + 1 + 2 * TOKENS_PER_MESSAGE
    states = [told(window) for window in range(130, smallest - 1, -1)]
    parts = [len(state) for state in states]
    assert set(parts) == {0, 1, 2, 3, 4}
    assert parts == sorted(parts, reverse=True)
    assert all(state == states[0][: len(state)] for state in states)


def test_the_least_is_the_system_prompt_and_the_last_question() -> None:
    with pytest.raises(PromptTooLong):
        fit("System " * 50, conversation(1), words, window=60, reserve=10)
    with pytest.raises(PromptTooLong):
        fit("System", [Turn("user", "word " * 60)], words, window=60, reserve=10)


def test_a_begun_answer_stays_with_the_question_it_answers() -> None:
    turns = [*conversation(10), Turn("assistant", "I begin")]
    messages = fit("System", turns, words, window=120, reserve=50).messages()
    assert [message["content"] for message in messages[-2:]] == ["last question", "I begin"]


@given(
    sizes=st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 20)), min_size=1, max_size=8
    ),
    window=st.integers(0, 300),
    summary=st.one_of(st.none(), st.just("They met before.")),
)
def test_what_fit_returns_fits_and_keeps_the_last_question(
    sizes: list[tuple[int, int, int]], window: int, summary: str | None
) -> None:
    turns: list[Turn] = []
    for question, answer, note in sizes:
        context = (ContextNote("T", "en", "n " * note),) if note else ()
        turns += [Turn("user", "q " * question, context), Turn("assistant", "a " * answer)]
    turns.append(Turn("user", "the last one"))
    try:
        memory = Memory(summary=summary)
        messages = fit("System", turns, words, window=window, reserve=10, memory=memory).messages()
    except PromptTooLong:
        assert window - 10 < 1 + 3 + 2 * TOKENS_PER_MESSAGE
        return
    assert total(messages) <= window - 10
    assert messages[0] == {"role": "system", "content": "System"}
    assert messages[-1]["content"].endswith("the last one")
    assert all(one["role"] != next_["role"] for one, next_ in itertools.pairwise(messages))


def test_a_conversation_of_thousands_of_turns_is_cut_in_no_time() -> None:
    asked = 0

    def counting(text: str) -> int:
        nonlocal asked
        asked += 1
        return words(text)

    prompt = fit("System", conversation(3000), counting, window=500, reserve=50)
    assert 5 < len(prompt.turns) < 40
    assert asked < 6100, "no message is counted twice"

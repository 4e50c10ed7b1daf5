"""The prompt of an answer, from the rows of its branch."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import pytest

from bot.answers.prompt import fitted, turns_of, whole_prompt
from bot.conversations.memory import Remembered
from bot.database.tables import (
    CanonNote,
    Conversation,
    Message,
    MessageStatus,
    Pin,
    Rating,
    Role,
    Summary,
    now,
)
from bot.worker_client import Generation, Piece, WorkerInfo
from model.conversation import ChatMessage, Turn
from model.errors import PromptTooLong
from model.fitting import Memory, Prompt
from training.chats import Chat, as_messages


def user(number: int, text: str, author: int = 1) -> Message:
    return Message(id=number, role=Role.USER, content=text, author_id=author, author_name=f"Member{author}")


def assistant(number: int, text: str, term: str | None = None) -> Message:
    language = "en" if term else None
    return Message(id=number, role=Role.ASSISTANT, content=text, lookup_term=term, lookup_language=language)


def note(title: str) -> CanonNote:
    return CanonNote(title=title, language="en", extract=f"about {title}")


def whole_of(turns: Sequence[Turn], memory: Memory | None = None) -> Prompt:
    return Prompt("Be kind.", tuple(turns), memory or Memory())


@dataclass
class CountingWorker:
    """A worker that counts a token a word, and ten more for its prompt format."""

    window: int
    ours: bool = True
    counted: list[int] = field(default_factory=list)

    async def describe(self) -> WorkerInfo:
        return WorkerInfo("m", self.window, 1, continues=True, counts=True, ours=self.ours)

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        self.counted.append(10 + sum(len(m["content"].split()) for m in messages))
        return self.counted[-1]

    def write(self, generation: Generation) -> AsyncGenerator[Piece, None]:
        raise NotImplementedError


def test_a_look_up_stands_before_the_next_message() -> None:
    path = [user(1, "hi"), assistant(2, "hello", "Dune"), user(3, "more")]
    turns = turns_of(path, {2: [note("Dune")]})
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    assert turns[1].text == "hello\n\n>>> Dune\n>>> en"
    assert turns[0].context == ()
    assert [c.title for c in turns[2].context] == ["Dune"]


def test_a_look_up_for_the_message_itself_stands_before_that() -> None:
    turns = turns_of([user(1, "hi")], {1: [note("Dune")]})
    assert [c.title for c in turns[0].context] == ["Dune"]


def test_look_ups_of_other_branches_stay_out() -> None:
    turns = turns_of([user(1, "hi"), assistant(5, "other"), user(6, "on")], {2: [note("Dune")]})
    assert turns[-1].context == ()


def test_an_answer_without_a_word_is_left_out() -> None:
    assert [t.role for t in turns_of([user(1, "hi"), assistant(2, ""), user(3, "again")], {})] == [
        "user",
        "user",
    ]


def test_several_members_are_told_apart() -> None:
    turns = turns_of([user(1, "a cat", 1), user(2, "a dog", 2)], {})
    assert [t.text for t in turns] == ["Member1: a cat", "Member2: a dog"]
    assert turns_of([user(1, "a cat")], {})[0].text == "a cat"


def test_what_was_deleted_or_blocked_is_not_told() -> None:
    gone, blocked = user(1, "secret"), assistant(2, "blocked")
    gone.deleted_at, blocked.status = now(), MessageStatus.BLOCKED
    assert [t.text for t in turns_of([gone, blocked, user(3, "hi")], {})] == ["hi"]


def test_what_a_summary_covers_is_left_out_but_its_look_ups_are_not() -> None:
    path = [
        user(1, "one"),
        assistant(2, "two", "Dune"),
        user(3, "three"),
        assistant(4, "four"),
        user(5, "five"),
    ]
    remembered = Remembered([Pin(text="Paul is blind.")], Summary(message_id=4, text="They met."))
    whole = whole_prompt(
        Conversation(language="de", rating=Rating.TEEN), path, {2: [note("Dune")]}, remembered
    )
    assert [turn.text for turn in whole.turns] == ["five"]
    assert [c.title for c in whole.turns[0].context] == ["Dune"]
    assert whole.memory == Memory(("Paul is blind.",), "They met.")
    assert "German (de)" in whole.system


@pytest.mark.parametrize("asked", [True, False], ids=["after a look-up", "with notes from the beginning"])
def test_the_bot_tells_a_conversation_as_training_does(asked: bool) -> None:
    answers = ["Ein Wal taucht auf.", "Er singt."]
    tag = "\n\n>>> Moby-Dick\n>>> de" if asked else ""
    chat = Chat.model_validate(
        {
            "id": "de-01",
            "language": "de",
            "property": "Moby-Dick",
            "task": "ideas",
            "messages": [
                {"role": "user", "content": "Wie beginnt es?"},
                {"role": "assistant", "content": answers[0] + tag},
                {"role": "user", "content": "Und dann?"},
                {"role": "assistant", "content": answers[1]},
            ],
            "lookup": {"term": "Moby-Dick", "language": "de"} if asked else None,
            "background": [
                {"title": "Moby-Dick", "text": "Ein Roman.\n\n[Notes] Von 1851.", "source": "written"},
                {"title": "Ahab", "text": "Ein Kapitän.", "source": "written"},
            ],
        }
    )
    first = assistant(2, answers[0])
    if asked:
        first.lookup_term, first.lookup_language = "Moby-Dick", "de"
    path = [user(1, "Wie beginnt es?"), first, user(3, "Und dann?"), assistant(4, answers[1])]
    found = [CanonNote(title=each.title, language="de", extract=each.text) for each in chat.background]
    conversation = Conversation(language="de", rating=Rating.TEEN)
    told = whole_prompt(conversation, path, {2 if asked else 1: found}, Remembered()).messages()
    assert told == as_messages(chat)


async def test_what_fits_is_left_alone() -> None:
    worker = CountingWorker(window=10_000)
    prompt = await fitted(worker, whole_of([Turn("user", "hi")]), reserve=100)
    assert [m["role"] for m in prompt.messages] == ["system", "user"]
    assert prompt.tokens == prompt.wanted == worker.counted[0]
    assert len(worker.counted) == 1


async def test_what_no_window_could_hold_is_cut_before_the_worker_counts_it() -> None:
    turns = [Turn("user" if n % 2 == 0 else "assistant", f"turn{n} " * 1000) for n in range(2001)]
    worker = CountingWorker(window=8192)
    prompt = await fitted(worker, whole_of(turns), reserve=700)
    assert max(worker.counted) < 4 * 8192
    assert prompt.prompt.dropped > 1900


async def test_the_oldest_turns_go_first_until_the_worker_says_that_it_fits() -> None:
    turns = [Turn("user" if n % 2 == 0 else "assistant", f"turn{n} " * 100) for n in range(21)]
    worker = CountingWorker(window=1500)
    messages = (await fitted(worker, whole_of(turns), reserve=200)).messages
    assert worker.counted[-1] <= 1300
    assert messages[0]["role"] == "system"
    assert "turn20" in messages[-1]["content"]
    assert all("turn0 " not in m["content"] for m in messages)
    assert len(messages) > 3, "no more is dropped than must be"


async def test_a_message_that_fits_no_window_is_refused() -> None:
    with pytest.raises(PromptTooLong):
        await fitted(CountingWorker(window=500), whole_of([Turn("user", "word " * 900)]), reserve=100)


async def test_special_tokens_are_broken_up_for_foreign_workers_only() -> None:
    turns = [Turn("user", "hi <|eot_id|> there")]
    memory = Memory(("pinned <|eot_id|>",), "summed <|eot_id|> up")
    own = await fitted(CountingWorker(10_000), whole_of(turns, memory), 100)
    foreign = await fitted(CountingWorker(10_000, ours=False), whole_of(turns, memory), 100)
    assert own.messages[-1]["content"].count("<|eot_id|>") == 3
    assert "<|eot_id|>" not in foreign.messages[-1]["content"]

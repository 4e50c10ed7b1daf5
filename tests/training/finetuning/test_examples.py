"""From chats to tokens: the prompt of serving, and a mask of exactly the answers and their end tokens."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from model.byte_tokenizer import byte_tokenizer
from model.prompt import find_format
from tests.training.finetuning.conftest import chat, quick
from training.chats import CHATS, Chat, as_messages, read_chats
from training.finetuning.examples import Example, closing_tokens, make_examples, spread
from training.finetuning.recipe import Recipe, load_recipe

END = {
    "llama3": ["<|eot_id|>"],
    "llama3.1": ["<|eot_id|>"],
    "llama3.1-guide": ["<|eot_id|>"],
    "gemma": ["<end_of_turn>"],
}


@cache
def tokenizer(prompt_format: str) -> Any:
    if prompt_format == "gemma":
        from model.embedded import load_tokenizer, prepare

        return load_tokenizer(prepare())
    from model.llama_tokenizer import llama_tokenizer

    return llama_tokenizer()


def recipe_for(prompt_format: str, **changes: Any) -> Recipe:
    changed = {"prompt_format": prompt_format, "max_length": 8192, **changes}
    return load_recipe("tiny").model_copy(update=changed)


def shipped(code: str = "ko") -> list[Chat]:
    return read_chats(CHATS / f"{code}.jsonl")[:6]


def one(of: Chat, recipe: Recipe, tokens: Any) -> Example:
    (example,), _ = make_examples([of], recipe, tokens)
    return example


FORMATS = ["llama3", "llama3.1", pytest.param("gemma", marks=pytest.mark.embedded)]


@pytest.mark.parametrize("prompt_format", FORMATS)
def test_what_stands_before_an_answer_is_the_prompt_that_is_served(prompt_format: str) -> None:
    tokens, serving = tokenizer(prompt_format), find_format(prompt_format)
    for each in shipped():
        example = one(each, recipe_for(prompt_format), tokens)
        messages = as_messages(each)
        assert any("[Notes]" in message["content"] for message in messages) == bool(each.background)
        for place, message in enumerate(messages):
            if message["role"] == "assistant":
                prompt = serving.render(messages[:place], tokens)
                assert example.ids[: len(prompt)] == prompt
                assert example.learn[len(prompt)]
                assert not example.learn[len(prompt) - 1]


@pytest.mark.parametrize("prompt_format", FORMATS)
def test_learnt_are_exactly_the_answers_and_their_end_tokens(prompt_format: str) -> None:
    tokens = tokenizer(prompt_format)
    (end,) = (tokens.convert_tokens_to_ids(name) for name in END[prompt_format])
    for each in shipped("hy"):
        example = one(each, recipe_for(prompt_format), tokens)
        answers = [turn.content.strip() for turn in each.messages if turn.role == "assistant"]
        assert decoded(learnt_runs(example), tokens) == [(answer, end) for answer in answers]


@pytest.mark.parametrize("prompt_format", FORMATS)
def test_closing_are_the_tag_with_its_blank_line_and_the_end_token(prompt_format: str) -> None:
    tokens = tokenizer(prompt_format)
    (end,) = END[prompt_format]
    for each in [*shipped("th"), *shipped("en"), chat(), chat(lookup=False)]:
        example = one(each, recipe_for(prompt_format), tokens)
        assert not any(
            closes and not learnt for closes, learnt in zip(example.closing, example.learn, strict=True)
        )
        answers = [turn.content.strip() for turn in each.messages if turn.role == "assistant"]
        for answer, closing in zip(answers, runs_of(example, example.closing), strict=True):
            text, _, tag = answer.partition("\n\n>>>")
            closed = tokens.decode(closing)
            if tag:
                # Llama's tokenizer has one token for a full stop and a blank line.
                before, _, after = closed.partition("\n\n")
                assert after == f">>>{tag}{end}"
                assert text.endswith(before)
                assert len(before) < 4
            else:
                assert closed == end


@pytest.mark.parametrize(
    "tag", [">>> Dune", "》》》 Dune\n》》》 en", ">>> Dune >>> en", ">>> Dune\n\n>>> en"]
)
def test_a_sloppy_tag_closes_an_answer_as_well(tag: str) -> None:
    tokens = byte_tokenizer()
    answer = tokens.encode(f"A long answer. It goes on.\n\n{tag}", add_special_tokens=False)
    count = closing_tokens(answer, frozenset(), tokens)
    assert tokens.decode(answer[-count:]) == f"\n\n{tag}"


def test_a_cut_example_has_marks_as_long_as_its_tokens() -> None:
    tokens = byte_tokenizer()
    whole = one(chat(turns=2), quick(), tokens)
    (cut,), _ = make_examples([chat(turns=2)], quick(f"max_length={len(whole.ids) - 5}"), tokens)
    assert cut.closing == whole.closing[:-5]


def test_the_other_guides_form_has_no_blank_line_and_closes_with_two_tokens() -> None:
    tokens = tokenizer("llama3.1-guide")
    example = one(chat(lookup=False, turns=2), recipe_for("llama3.1-guide"), tokens)
    text = tokens.decode(example.ids)
    assert text.endswith("to the sea, 0.<|eot_id|><|end_of_text|>")
    assert "<|start_header_id|>assistant<|end_header_id|>\nThe whale" in text
    (learnt,) = learnt_runs(example)
    assert tokens.decode(learnt) == "The whale said 7 to the sea, 0.<|eot_id|><|end_of_text|>"


def test_the_articles_form_is_learnt_whole_and_cut_at_its_length() -> None:
    article, tokens = load_recipe("article"), tokenizer("llama3")
    example = one(chat(), article, tokens)
    assert tokens.decode(example.ids).startswith(
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\nYou are"
    )
    assert example.learn == [False] + [True] * (len(example.ids) - 1)
    long = read_chats(CHATS / "hy.jsonl")[:3]
    examples, counts = make_examples(long, article, tokens)
    assert [len(each.ids) for each in examples] == [1024] * 3
    assert (counts.cut, counts.split, counts.dropped) == (3, 0, 0)


def test_a_long_chat_is_split_between_turns_and_every_answer_is_learnt_once() -> None:
    tokens, long = byte_tokenizer(), chat(turns=6)
    whole = one(long, quick(), tokens)
    recipe = quick(f"max_length={len(whole.ids) - 1}")
    examples, counts = make_examples([long], recipe, tokens)
    assert (counts.split, counts.cut, counts.dropped) == (1, 0, 0)
    assert len(examples) == 2
    assert all(len(each.ids) <= recipe.max_length for each in examples)
    assert [run for each in examples for run in learnt_runs(each)] == learnt_runs(whole)


def test_notes_of_turns_that_fell_away_pass_on_to_the_next_question() -> None:
    tokens, long = byte_tokenizer(), chat(turns=6)
    recipe = quick(f"max_length={len(one(long, quick(), tokens).ids) - 1}")
    examples, _ = make_examples([long], recipe, tokens)
    last = tokens.decode(examples[-1].ids)
    assert "Question 0" not in last
    assert "[Notes]\nMoby-Dick (en)\nA whale, 1.\n[End of notes]" in last
    assert last.index("[Notes]\nMoby") < last.index("Question 4 of 1?")


def test_one_exchange_that_is_too_long_is_cut_and_counted() -> None:
    tokens, short = byte_tokenizer(), chat(turns=2, lookup=False)
    whole = one(short, quick(), tokens)
    (example,), counts = make_examples([short], quick(f"max_length={len(whole.ids) - 5}"), tokens)
    assert example.ids == whole.ids[:-5]
    assert (counts.cut, counts.dropped) == (1, 0)


def test_an_exchange_whose_question_fills_the_length_is_left_out() -> None:
    tokens, long = byte_tokenizer(), asking_at_length(chat(1))
    examples, counts = make_examples([long, chat(2)], quick("max_length=1800"), tokens)
    first, second = examples
    assert (first.chat, second.chat) == ("en-01", "en-02")
    assert "The whale said 7 to the sea, 2." in tokens.decode(first.ids)
    assert "The whale said 7 to the sea, 0." not in tokens.decode(first.ids)
    assert (counts.cut, counts.dropped) == (1, 0)


def test_a_chat_that_leaves_nothing_to_learn_is_counted_as_dropped() -> None:
    long = asking_at_length(chat(1, turns=2))
    examples, counts = make_examples([long, chat(2)], quick("max_length=1800"), byte_tokenizer())
    assert [each.chat for each in examples] == ["en-02"]
    assert counts.dropped == 1
    assert str(counts).endswith("1 cut at the end, 1 dropped")


def asking_at_length(of: Chat) -> Chat:
    """The chat with a first question of 3,000 characters."""
    question = of.messages[0].model_copy(update={"content": "x" * 3000})
    return of.model_copy(update={"messages": (question, *of.messages[1:])})


def test_a_few_validation_chats_are_taken_from_all_languages() -> None:
    tokens = byte_tokenizer()
    chats = [chat(number, code) for code in ("en", "de", "sv") for number in range(1, 4)]
    examples, _ = make_examples(chats, quick(), tokens)
    assert [each.language for each in spread(examples, 4)] == ["en", "de", "sv", "en"]
    assert spread(examples, None) == examples


def learnt_runs(example: Example) -> list[list[int]]:
    """The learnt tokens, a list for each stretch of them."""
    return runs_of(example, example.learn)


def runs_of(example: Example, marks: list[bool]) -> list[list[int]]:
    """The marked tokens, a list for each stretch of them."""
    runs: list[list[int]] = []
    before = False
    for token, learn in zip(example.ids, marks, strict=True):
        if learn and not before:
            runs.append([])
        if learn:
            runs[-1].append(token)
        before = learn
    return runs


def decoded(runs: list[list[int]], tokens: Any) -> list[tuple[str, int]]:
    return [(tokens.decode(run[:-1]), run[-1]) for run in runs]

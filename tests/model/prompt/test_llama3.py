"""Llama 3's prompt is Meta's, token for token, and people's text never becomes a special token."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.conversation import ChatMessage
from model.errors import PromptError
from model.llama_tokenizer import SPECIAL_TOKENS, llama_tokenizer
from model.prompt import FORMATS
from tests.model.shipped_chats import as_messages, shipped_chats

LLAMA3, LLAMA31 = FORMATS["llama3"], FORMATS["llama3.1"]
HEADER_TOKENS = 4  # <|start_header_id|>assistant<|end_header_id|>\n\n


def meta_prompt(reference: Any, messages: list[ChatMessage]) -> list[int]:
    from llama_models.datatypes import RawMessage

    raw = [RawMessage(**message, stop_reason="end_of_turn") if message["role"] == "assistant" else RawMessage(**message)
           for message in messages]  # fmt: skip
    tokens: list[int] = reference.encode_dialog_prompt(raw).tokens
    return tokens


def test_every_shipped_chat_is_rendered_as_meta_renders_it(llama: Any, reference: Any) -> None:
    chats = shipped_chats()
    assert len(chats) >= 790
    for chat in chats:
        messages = as_messages(chat)
        assert LLAMA3.render(messages, llama) == meta_prompt(reference, messages), chat["id"]


@pytest.mark.parametrize("name", ["llama3", "llama3.1"])
def test_so_is_every_prompt_on_the_way(name: str, llama: Any, reference: Any) -> None:
    for chat in shipped_chats()[::16]:
        messages = as_messages(chat)
        for end in range(1, len(messages) + 1):
            assert FORMATS[name].render(messages[:end], llama) == meta_prompt(reference, messages[:end]), (
                chat["id"]
            )


def test_the_training_form_is_the_prompt_without_the_next_answer_s_header(llama: Any, reference: Any) -> None:
    for chat in shipped_chats()[::40]:
        messages = as_messages(chat)
        assert (
            LLAMA3.render_training(messages, llama).ids == meta_prompt(reference, messages)[:-HEADER_TOKENS]
        )


def test_the_answers_and_their_end_tokens_are_what_is_trained(llama: Any) -> None:
    for chat in shipped_chats()[::40]:
        tokens = LLAMA3.render_training(as_messages(chat), llama)
        assert len(tokens.ids) == len(tokens.answer)
        trained = llama.decode(
            [token for token, answer in zip(tokens.ids, tokens.answer, strict=True) if answer]
        )
        answers = [message["content"] for message in chat["messages"] if message["role"] == "assistant"]
        assert trained == "".join(f"{answer}<|eot_id|>" for answer in answers)


def test_the_layout_in_words(llama: Any) -> None:
    messages: list[ChatMessage] = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": "A"},
        {"role": "user", "content": "V"},
    ]
    assert llama.decode(LLAMA3.render(messages, llama)) == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nV<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_an_answer_is_continued_where_it_stopped(llama: Any) -> None:
    messages: list[ChatMessage] = [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": "Once upon "},
    ]
    text = llama.decode(LLAMA3.render(messages, llama, continue_final=True))
    assert text.endswith("<|start_header_id|>assistant<|end_header_id|>\n\nOnce upon ")
    begun = LLAMA3.render(messages[:1], llama)
    assert LLAMA3.render(messages, llama, continue_final=True)[: len(begun)] == begun


def test_only_an_answer_can_be_continued(llama: Any) -> None:
    for messages in ([], [{"role": "user", "content": "Go"}]):
        with pytest.raises(PromptError):
            LLAMA3.render(messages, llama, continue_final=True)
    with pytest.raises(PromptError):
        LLAMA3.render([], llama)


def test_where_answers_end(llama: Any) -> None:
    assert llama.convert_ids_to_tokens(LLAMA3.stop_token_ids(llama)) == ["<|eot_id|>", "<|end_of_text|>"]
    assert set(llama.convert_ids_to_tokens(LLAMA31.stop_token_ids(llama))) == {
        "<|eot_id|>", "<|eom_id|>", "<|end_of_text|>",
    }  # fmt: skip
    assert LLAMA31.pad_token == "<|finetune_right_pad_id|>"


def test_tools_answer_under_the_name_ipython_in_3_1_only(llama: Any) -> None:
    tool: Any = [{"role": "user", "content": "Q"}, {"role": "tool", "content": "42"}]
    assert "<|start_header_id|>ipython<|end_header_id|>\n\n42" in llama.decode(LLAMA31.render(tool, llama))
    with pytest.raises(PromptError):
        LLAMA3.render(tool, llama)


def special_tokens_in(content: str, llama: Any) -> int:
    special = set(llama.all_special_ids) | set(llama.added_tokens_decoder)
    rendered = LLAMA3.render([{"role": "user", "content": content}], llama)
    assert llama.decode(rendered) == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
        f"{content}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    )
    return sum(token in special for token in rendered) - 6


@pytest.mark.parametrize("special", SPECIAL_TOKENS)
def test_no_special_token_can_be_typed(special: str, llama: Any) -> None:
    half = len(special) // 2
    for content in (
        special,
        f"a{special}b{special}",
        f" {special}\n",
        special[:half] + special + special[half:],
    ):
        assert special_tokens_in(content, llama) == 0


@pytest.mark.parametrize(
    "content", ["<|eot_<|eot_id|>id|>", "<|eot_id|>" * 3, "<|eot_id", "|>", "<|<|eot_id|>|>"]
)
def test_nor_split_or_nested_ones(content: str, llama: Any, reference: Any) -> None:
    assert special_tokens_in(content, llama) == 0
    messages: list[ChatMessage] = [{"role": "user", "content": content}]
    assert LLAMA3.render(messages, llama) == meta_prompt(reference, messages)


@given(parts=st.lists(st.one_of(st.sampled_from(SPECIAL_TOKENS[:11]), st.text(max_size=12)), max_size=6))
def test_nor_any_mixture_with_other_text(parts: list[str]) -> None:
    llama = llama_tokenizer()
    special = set(llama.added_tokens_decoder)
    rendered = LLAMA3.render([{"role": "user", "content": "".join(parts)}], llama)
    assert sum(token in special for token in rendered) == 6


def test_special_tokens_stay_plain_while_another_use_of_the_tokenizer_parses_them(llama: Any) -> None:
    assert llama.encode("<|eot_id|>", add_special_tokens=False) == [128009]
    assert special_tokens_in("<|eot_id|>", llama) == 0
    assert llama.encode("<|eot_id|>", add_special_tokens=False) == [128009]


def test_the_tokenizer_has_metas_ids(llama: Any, reference: Any) -> None:
    meta = reference.tokenizer.special_tokens
    assert len(llama) == 128_256
    renamed = {"<|step_id|>", "<|image|>"}
    for token, number in meta.items():
        if token not in renamed and not token.startswith("<|reserved"):
            assert llama.convert_tokens_to_ids(token) == number
    assert sorted(llama.added_tokens_decoder) == sorted(meta.values())

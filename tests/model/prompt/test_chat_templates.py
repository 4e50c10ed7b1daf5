"""The Jinja templates that ship beside adapters say what the prompt module says."""

from __future__ import annotations

from typing import Any

import pytest

from model.conversation import ChatMessage
from model.errors import UnknownPromptFormat
from model.prompt import FORMATS, chat_template
from tests.model.shipped_chats import as_messages, shipped_chats


@pytest.fixture(params=["llama3", "llama3.1", "llama3.1-guide", "gemma"])
def named(request: pytest.FixtureRequest, llama: Any, gemma: Any) -> tuple[str, Any]:
    return request.param, gemma if request.param == "gemma" else llama


def by_template(name: str, tokenizer: Any, messages: list[ChatMessage], **options: Any) -> Any:
    return tokenizer.apply_chat_template(
        messages, chat_template=chat_template(name), tokenize=True, **options
    )


def test_template_and_module_agree_on_the_shipped_chats(named: tuple[str, Any]) -> None:
    name, tokenizer = named
    for chat in shipped_chats()[:: 4 if name == "llama3" else 20]:
        messages = as_messages(chat)
        ids = by_template(name, tokenizer, messages[:-1], add_generation_prompt=True, return_dict=False)
        assert ids == FORMATS[name].render(messages[:-1], tokenizer), chat["id"]


def test_template_and_module_agree_on_what_is_trained(named: tuple[str, Any]) -> None:
    name, tokenizer = named
    for chat in shipped_chats()[::80]:
        messages = as_messages(chat)
        said = by_template(name, tokenizer, messages, return_dict=True, return_assistant_tokens_mask=True)
        ours = FORMATS[name].render_training(messages, tokenizer)
        assert said["input_ids"] == ours.ids
        assert list(map(bool, said["assistant_masks"])) == ours.answer


def test_template_and_module_agree_on_a_continued_answer(named: tuple[str, Any]) -> None:
    name, tokenizer = named
    messages: list[ChatMessage] = [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": "Once upon"},
    ]
    ids = by_template(name, tokenizer, messages, continue_final_message=True, return_dict=False)
    assert ids == FORMATS[name].render(messages, tokenizer, continue_final=True)


def test_gemmas_template_refuses_turns_that_do_not_alternate(gemma: Any) -> None:
    import jinja2

    with pytest.raises(jinja2.TemplateError, match="alternate"):
        by_template("gemma", gemma, [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])


def test_tools_answer_under_the_name_ipython_in_3_1(llama: Any) -> None:
    messages: Any = [{"role": "user", "content": "Q"}, {"role": "tool", "content": "42"}]
    ids = by_template("llama3.1", llama, messages, add_generation_prompt=True, return_dict=False)
    assert ids == FORMATS["llama3.1"].render(messages, llama)


def test_formats_that_only_we_render_have_no_template() -> None:
    for name in ("by-example", "article", "no such"):
        with pytest.raises(UnknownPromptFormat):
            chat_template(name)

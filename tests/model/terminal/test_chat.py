"""A chat with a worker: answers, look-ups, and the commands, within one process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import openai
import pytest

from model.__main__ import main
from model.errors import PromptTooLong
from model.terminal.errors import ChatError, NoSuchModel, WorkerAway
from model.terminal.worker import ChatWorker
from tests.bot.vllm_server import ADAPTER, Vllm, serving
from tests.model.terminal.conftest import Seat
from tests.model.worker.conftest import until


async def test_an_answer_is_streamed_and_kept(seat: Seat):
    assert await seat.type("Once upon a time") == "Once upon a time\n"
    [question, answer] = seat.chat.archive.newest(1)[0].entries
    assert (question.role, question.text) == ("user", "Once upon a time")
    assert (answer.role, answer.text, answer.model) == ("assistant", "Once upon a time", "fake")


async def test_the_model_is_told_the_language_of_the_first_message_and_all_that_was_said(seat: Seat):
    await seat.type("Schreib mir bitte eine kurze Geschichte über einen alten Drachen im Winter.")
    await seat.type("Weiter!")
    [system, *rest] = seat.served.base.requests[1].messages
    assert system[1].endswith("Language of this conversation: German (de)")
    assert [role for role, _ in rest] == ["user", "assistant", "user"]
    assert rest[-1] == ("user", "Weiter!")


async def test_a_look_up_is_shown_and_stands_before_the_next_message(seat: Seat):
    shown = await seat.type("A scene in the snow.\n!lookup Hoth | en")
    assert shown.startswith("A scene in the snow.\n")
    assert ">>>" not in shown
    assert "Looked up: Hoth (en)" in shown
    await seat.type("And then?")
    messages = seat.served.base.requests[1].messages
    assert messages[2] == ("assistant", "A scene in the snow.\n\n>>> Hoth\n>>> en")
    assert messages[3][1].startswith("[Notes]\nHoth (en)\n")
    assert messages[3][1].endswith("\n\nAnd then?")


async def test_an_answer_that_is_nothing_but_a_look_up_is_written_again_with_what_was_found(seat: Seat):
    seat.served.base.script(">>> Hoth\n>>> en", "It is cold there.")
    shown = await seat.type("What is it like?")
    assert shown.startswith("It is cold there.\n")
    assert seat.served.base.requests[1].messages[1][1].startswith("[Notes]\nHoth (en)\n")
    [_, answer] = seat.chat.story.entries
    assert (answer.text, answer.lookup) == ("It is cold there.", None)


async def test_a_look_up_that_finds_nothing_is_said(seat: Seat):
    shown = await seat.type("Hm.\n!lookup Qqqwxz | en")
    assert "Nothing was found about Qqqwxz (en)." in shown
    assert seat.chat.story.entries[-1].pages == []


async def test_a_page_that_is_known_already_is_not_told_twice(seat: Seat):
    seat.served.base.script("One.\n>>> Hoth\n>>> en", "Two.\n>>> Hoth\n>>> en")
    await seat.type("a")
    assert "Looked up" not in await seat.type("b")
    await seat.type("c")
    assert str(seat.served.base.requests[2].messages).count("[Notes]") == 1


async def test_an_answer_can_be_written_anew(seat: Seat):
    seat.served.base.script("The first.", "The second.")
    await seat.type("Go on")
    assert await seat.type("/regenerate") == "The second.\n"
    assert [entry.text for entry in seat.chat.story.entries] == ["Go on", "The second."]
    assert seat.served.base.requests[0].messages == seat.served.base.requests[1].messages


async def test_another_model_can_be_chosen(seat: Seat):
    listed = await seat.type("/model")
    assert "●\tfake\tbase model\t8192 tokens" in listed
    assert " \tfanfic\tadapter of fake\t8192 tokens" in listed
    await seat.type("/model fanfic")
    await seat.type("hello")
    assert len(seat.served.adapter.requests) == 1
    assert seat.chat.story.entries[-1].model == "fanfic"
    with pytest.raises(NoSuchModel, match="it has: fake, fanfic"):
        await seat.type("/model gpt-9")


async def test_the_language_can_be_chosen_and_then_stays(seat: Seat):
    assert "Korean" in await seat.type("/language 한국어")
    await seat.type("Write me a short scene about a dragon in the winter, please.")
    assert "Korean (ko)" in seat.served.base.requests[0].messages[0][1]
    with pytest.raises(ChatError, match="none of the forty"):
        await seat.type("/language Klingon")


async def test_stopping_keeps_what_there_is_and_frees_the_slot(seat: Seat):
    typing = asyncio.create_task(seat.type("!words 400"))
    await until(lambda: len(seat.out.getvalue()) > 20)
    seat.answering.stop()
    shown = await typing
    assert shown.startswith("Lorem ipsum")
    assert seat.chat.story.entries[-1].stopped
    assert seat.chat.archive.newest(1)[0].entries[-1].text == shown.strip()
    await until(lambda: seat.served.base.load.running == 0)
    assert await seat.type("still here") == "still here\n"


async def test_a_failure_in_mid_answer_keeps_what_there_is_and_can_be_tried_again(seat: Seat):
    with pytest.raises(ChatError, match="The worker says: The fake engine was told to fail"):
        await seat.type("some words before it fails\n!fail")
    assert seat.chat.story.entries[-1].stopped
    assert seat.chat.story.entries[-1].text.startswith("some")
    seat.chat.story.entries[0].text = "better now"
    assert await seat.type("/regenerate") == "better now\n"


async def test_a_worker_that_refuses_is_quoted_and_the_question_kept(seat: Seat):
    seat.served.base.break_down("out of memory")
    with pytest.raises(ChatError, match=r"out of memory\. Try again in 10 seconds"):
        await seat.type("hello")
    assert [entry.text for entry in seat.chat.story.entries] == ["hello"]


async def test_a_long_conversation_is_cut_to_the_window(seat: Seat):
    seat.served.base.script(*["yes"] * 6)
    for number in range(6):
        await seat.type(f"{number} " + "word " * 1800)
    messages = seat.served.base.requests[-1].messages
    assert messages[0][0] == "system"
    assert messages[-1][1].startswith("5 ")
    assert 3 <= len(messages) < 12
    with pytest.raises(PromptTooLong):
        await seat.type("word " * 9000)


async def test_conversations_are_listed_and_gone_on_with(seat: Seat):
    await seat.type("The first story")
    first = seat.chat.story.id
    await seat.type("/new")
    await seat.type("The second story")
    listed = (await seat.type("/history")).splitlines()
    assert [line.split("\t")[0] + line.split("\t")[-1] for line in listed] == [
        "1The second story",
        "2The first story",
    ]
    shown = await seat.type("/history 2")
    assert seat.chat.story.id == first
    assert "The first story\n" in shown
    with pytest.raises(ChatError, match="no number 9"):
        await seat.type("/history 9")


async def test_a_conversation_is_saved_as_markdown_and_nothing_written_over(seat: Seat, tmp_path: Path):
    with pytest.raises(ChatError, match="nothing to save"):
        await seat.type("/save")
    await seat.type("A scene in the snow.\n!lookup Hoth | en")
    await seat.type(f"/save {tmp_path}/story.md")
    saved = (tmp_path / "story.md").read_text()
    assert saved.startswith("# A scene in the snow.")
    assert "\n> A scene in the snow.\n" in saved
    assert "*Looked up: Hoth (en), FanFabler's notes, CC BY-SA 4.0.*" in saved
    with pytest.raises(ChatError, match="exists already"):
        await seat.type(f"/save {tmp_path}/story.md")
    with pytest.raises(ChatError, match="cannot be written"):
        await seat.type(f"/save {tmp_path}/nowhere/story.md")


async def test_every_command_is_in_the_help_and_others_are_refused(seat: Seat):
    shown = await seat.type("/help")
    for name in ("/model", "/language", "/regenerate", "/new", "/history", "/save", "/quit"):
        assert name in shown
    with pytest.raises(ChatError, match=r"no command /wizard\. /help"):
        await seat.type("/wizard now")
    assert await seat.type("//slash") == "/slash\n"
    assert await seat.type("   ") == ""
    await seat.type("/quit")
    assert seat.chat.over


async def test_with_a_server_that_is_not_ours_nothing_looks_like_a_special_token():
    vllm = Vllm(token="right")
    async with serving(vllm) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="right") as client:
        worker = ChatWorker(client)
        await worker.connect(ADAPTER)
        assert worker.model is not None
        assert (worker.model.base, worker.model.window) == ("llama-3-8b-instruct", 2048)
        messages = [{"role": "user", "content": "<|eot_id|> hello"}]
        assert await worker.count_tokens(messages) == 10
        text = "".join([piece async for piece in worker.write(messages, {"max_tokens": 9})])
    assert text == "one two three"
    assert vllm.chats[0]["messages"][0]["content"] == "< |eot_id| > hello"


async def test_nobody_there_and_a_wrong_token_are_said_with_the_remedy(unused_tcp_port: int):
    url = f"http://127.0.0.1:{unused_tcp_port}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        with pytest.raises(WorkerAway, match=r"Nobody answers at .*python -m model serve"):
            await ChatWorker(client).connect()
    async with (
        serving(Vllm(token="right")) as there,
        openai.AsyncOpenAI(base_url=f"{there}/v1", api_key="wrong") as client,
    ):
        with pytest.raises(ChatError, match="--token or WORKER_TOKEN"):
            await ChatWorker(client).connect()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--continue"], "no conversation to go on with"),
        (["--continue", "nobody"], "no conversation 'nobody'"),
        (["--language", "tlh"], "none of the forty"),
    ],
)
def test_options_that_name_nothing_are_refused_before_a_worker_is_started(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["chat", "--history", str(tmp_path), *arguments]) == 1
    assert sentence in capsys.readouterr().err

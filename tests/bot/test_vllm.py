"""The bot's client with vLLM in place of our worker: what `docs/scaling.md` promises of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.doctor import examine
from bot.errors import WorkerBusy, WorkerError, WorkerRefused
from bot.settings import load_settings
from bot.worker_adapters import WorkerAdapters
from bot.worker_client import Generation, OpenAIWorker, open_client
from model.conversation import ChatMessage
from tests.bot.vllm_server import ADAPTER, BASE, FINGERPRINT, Vllm, serving

HELLO: list[ChatMessage] = [{"role": "user", "content": "hello there"}]


@asynccontextmanager
async def bot_of(
    vllm: Vllm, *, model: str | None = None, sent: str | None = None
) -> AsyncIterator[OpenAIWorker]:
    async with serving(vllm) as url, open_client(f"{url}/v1", sent) as client:
        yield OpenAIWorker(client, model=model)


def generation(messages: list[ChatMessage] = HELLO, **changes: object) -> Generation:
    return Generation(**{"messages": messages, "max_tokens": 50, "request_id": "answer-1-1", **changes})  # type: ignore[arg-type]


async def written(worker: OpenAIWorker, request: Generation) -> str:
    return "".join([piece.text async for piece in worker.write(request)])


async def test_its_model_and_window_are_known() -> None:
    async with bot_of(Vllm(window=4096)) as worker:
        info = await worker.describe()
    assert (info.model, info.window) == (BASE, 4096)
    assert info.continues
    assert info.counts
    assert not info.ours


async def test_an_adapter_has_the_window_of_its_base_of_which_its_own_card_says_nothing() -> None:
    async with bot_of(Vllm(window=4096), model=ADAPTER) as worker:
        info = await worker.describe()
    assert (info.model, info.window) == (ADAPTER, 4096)


async def test_an_answer_comes_in_pieces_with_the_servers_fingerprint() -> None:
    vllm = Vllm()
    async with bot_of(vllm, model=ADAPTER) as worker:
        pieces = [piece async for piece in worker.write(generation())]
    assert "".join(piece.text for piece in pieces) == "one two three"
    assert len([piece for piece in pieces if piece.text]) == 3
    assert (pieces[-1].finish_reason, pieces[-1].model) == ("stop", ADAPTER)
    assert pieces[-1].fingerprint == FINGERPRINT
    assert vllm.request_ids == ["answer-1-1"]


async def test_an_answer_that_is_cut_by_its_limit_says_so() -> None:
    async with bot_of(Vllm()) as worker:
        pieces = [piece async for piece in worker.write(generation(max_tokens=2))]
    assert "".join(piece.text for piece in pieces) == "one two "
    assert pieces[-1].finish_reason == "length"


async def test_an_unfinished_answer_is_gone_on_with() -> None:
    vllm = Vllm()
    messages: list[ChatMessage] = [*HELLO, {"role": "assistant", "content": "one two"}]
    async with bot_of(vllm) as worker:
        assert await written(worker, generation(messages, continues=True)) == " three"
    assert vllm.chats[0]["continue_final_message"] is True
    assert vllm.chats[0]["add_generation_prompt"] is False


async def test_the_usage_chunk_without_choices_is_no_stumbling_block() -> None:
    async with serving(Vllm()) as url, open_client(f"{url}/v1", None) as client:
        stream = await client.chat.completions.create(
            model=BASE, messages=HELLO, max_tokens=9, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 3


async def test_tokens_are_counted_by_its_tokenizer() -> None:
    async with bot_of(Vllm()) as worker:
        assert await worker.count_tokens(HELLO) == 8


async def test_tokens_are_estimated_where_a_proxy_hides_the_tokenizer() -> None:
    async with bot_of(Vllm(behind_proxy=True)) as worker:
        assert await worker.count_tokens(HELLO) > 8
        assert not (await worker.describe()).counts
        assert await written(worker, generation()) == "one two three"


async def test_closing_the_stream_frees_it() -> None:
    vllm = Vllm(reply="word " * 2000)
    async with bot_of(vllm) as worker:
        stream = worker.write(generation(max_tokens=5000))
        await anext(stream)
        await stream.aclose()
        async with asyncio.timeout(5):
            while not vllm.gone:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("state", [{"busy": True}, {"scaling": True}])
async def test_one_that_has_too_much_to_do_is_come_back_to(state: dict[str, bool]) -> None:
    vllm = Vllm()
    async with bot_of(vllm) as worker:
        await worker.describe()
        for name, value in state.items():
            setattr(vllm, name, value)
        with pytest.raises(WorkerBusy) as caught:
            await written(worker, generation())
    assert caught.value.retry_after == 2
    assert "try again later" in str(caught.value)


async def test_an_answer_that_it_gives_up_to_sleep_is_come_back_to_and_not_taken_for_whole() -> None:
    async with bot_of(Vllm(finish="abort")) as worker:
        pieces = []
        with pytest.raises(WorkerBusy, match="gave the answer up"):
            async for piece in worker.write(generation()):
                pieces.append(piece)
    assert "".join(piece.text for piece in pieces) == "one two three"
    assert all(piece.finish_reason is None for piece in pieces)


@pytest.mark.parametrize(
    ("kind", "code", "error"),
    [("InternalServerError", 500, WorkerError), ("InternalServerError", 503, WorkerBusy)],
)
async def test_an_error_in_mid_answer_is_told_from_one_that_passes(
    kind: str, code: int, error: type[WorkerError]
) -> None:
    async with bot_of(Vllm(breaks=(kind, code))) as worker:
        with pytest.raises(WorkerError, match="Internal server error") as caught:
            await written(worker, generation())
    assert type(caught.value) is error


async def test_a_prompt_too_long_is_refused_with_the_servers_numbers() -> None:
    async with bot_of(Vllm(window=100)) as worker:
        with pytest.raises(WorkerRefused, match=r"100 tokens.* contains 506 input tokens"):
            await written(worker, generation([{"role": "user", "content": "word " * 500}]))


async def test_an_adapter_that_was_unloaded_meanwhile_is_noticed_and_asked_for_anew() -> None:
    vllm = Vllm()
    async with bot_of(vllm, model=ADAPTER) as worker:
        await worker.describe()
        path = vllm.adapters.pop(ADAPTER)
        with pytest.raises(WorkerError, match="does not exist"):
            await written(worker, generation())
        with pytest.raises(WorkerRefused, match=rf"no model '{ADAPTER}'"):
            await worker.describe()
        vllm.adapters[ADAPTER] = path
        assert await written(worker, generation()) == "one two three"


async def test_its_token_is_sent_and_a_wrong_one_refused() -> None:
    async with bot_of(Vllm(token="right"), sent="right") as worker:
        assert await written(worker, generation()) == "one two three"
    async with bot_of(Vllm(token="right"), sent="wrong") as worker:
        with pytest.raises(WorkerRefused, match="401"):
            await worker.describe()


async def test_an_adapter_is_loaded_and_unloaded_while_it_serves() -> None:
    vllm = Vllm()
    async with serving(vllm) as url, open_client(f"{url}/v1", None) as client:
        adapters = WorkerAdapters(client)
        await adapters.load("fanfic-2", "/adapters/run-2")
        assert await written(OpenAIWorker(client, model="fanfic-2"), generation()) == "one two three"
        await adapters.unload("fanfic-2")
    assert "fanfic-2" not in vllm.adapters


@pytest.mark.parametrize(
    ("name", "path", "error", "words"),
    [
        (ADAPTER, "/adapters/again", WorkerRefused, "has already been loaded"),
        ("", "/adapters/x", WorkerRefused, "must be provided"),
        ("new", "/adapters/missing", WorkerError, "No adapter found"),
        ("new", "/adapters/rank-128", WorkerError, "rank 128 is greater than max_lora_rank 64"),
    ],
)
async def test_an_adapter_that_cannot_be_loaded_is_refused_in_the_servers_words(
    name: str, path: str, error: type[WorkerError], words: str
) -> None:
    async with serving(Vllm()) as url, open_client(f"{url}/v1", None) as client:
        with pytest.raises(error, match=words):
            await WorkerAdapters(client).load(name, path)


async def test_an_adapter_that_is_not_there_cannot_be_unloaded() -> None:
    async with serving(Vllm()) as url, open_client(f"{url}/v1", None) as client:
        with pytest.raises(WorkerError, match="cannot be found"):
            await WorkerAdapters(client).unload("nobody")


async def test_the_doctor_finds_it_well(tmp_path: Path) -> None:
    async with serving(Vllm(token="right")) as url:
        settings = load_settings(
            worker_url=f"{url}/v1",
            worker_token="right",
            worker_model=ADAPTER,
            discord_token=None,
            database_url=f"sqlite+aiosqlite:///{tmp_path}/bot.db",
            wikipedia_url=f"{url}/{{code}}",
        )
        findings = await examine(settings)
        async with aiohttp.ClientSession() as http, http.get(f"{url}/health") as response:
            assert (response.status, await response.read()) == (200, b"")
    [worker] = [finding for finding in findings if finding.part == "Worker"]
    assert ADAPTER in worker.found
    assert "one two three" in worker.found

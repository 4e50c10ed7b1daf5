"""Adapters in and out of a running worker, by vLLM's two endpoints, with real models."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import openai
import pytest

from model.adapter_folder import AdapterOptions
from model.engine.codec import PromptCodec
from model.engine.fake import FakeEngine
from model.fake_host import FakeHost
from model.server.run import ServeOptions, serve
from model.serving import ModelHost
from tests.model.worker.conftest import Running, fake_model, listening, until
from tests.model.worker.models import generate, loaded, make_adapter, reference, with_adapter

CHAT = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello 猫"}]
PAIRS = (("system", "Be kind."), ("user", "Hello 猫"))


class Operator:
    """A worker with adapters, and somebody who administers it."""

    def __init__(self, running: Running, http: aiohttp.ClientSession, host: ModelHost | FakeHost) -> None:
        self.running = running
        self.worker = running.worker
        self.host = host
        self._http = http

    async def post(self, path: str, **body) -> tuple[int, str | dict]:
        async with self._http.post(f"{self.running.url}{path}", json=body) as response:
            if response.content_type == "application/json":
                return response.status, (await response.json())["error"]
            return response.status, await response.text()

    async def load(self, name: str, path: str | Path, **more) -> tuple[int, str | dict]:
        return await self.post("/v1/load_lora_adapter", lora_name=name, lora_path=str(path), **more)

    async def unload(self, name: str) -> tuple[int, str | dict]:
        return await self.post("/v1/unload_lora_adapter", lora_name=name)

    async def names(self) -> list[str]:
        return [card.id for card in (await self.running.client.models.list()).data]

    async def ask(self, name: str, tokens: int = 12, text: str = "Hello 猫"):
        messages = [CHAT[0], {"role": "user", "content": text}]
        return await self.running.client.chat.completions.create(
            model=name,
            messages=messages,
            temperature=0,
            max_tokens=tokens,
            extra_body={"repetition_penalty": 1.0},
        )


@asynccontextmanager
async def operating(preset: str, adapters: Path, **options) -> AsyncIterator[Operator]:
    host = ModelHost(lambda: loaded(preset), AdapterOptions(adapters, **options))
    async with listening(host) as running, aiohttp.ClientSession() as http:
        yield Operator(running, http, host)


@pytest.fixture
async def tiny(tmp_path: Path) -> AsyncIterator[Operator]:
    for seed, name in enumerate(("one", "two", "three"), 4):
        make_adapter(tmp_path / name, loaded("tiny"), rank=8, seed=seed)
    async with operating("tiny", tmp_path) as operator:
        yield operator


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[Operator]:
    """The same without a model, for what is decided before one is asked."""
    (tmp_path / "adapters").mkdir()
    engine = FakeEngine()
    host = FakeHost(fake_model(engine, name="tiny"), engine, AdapterOptions(tmp_path / "adapters"))
    async with listening(host) as running, aiohttp.ClientSession() as http:
        yield Operator(running, http, host)


@pytest.mark.parametrize(("preset", "rank"), [("tiny", 8), ("llama3-tiny", 64)])
async def test_two_adapters_and_their_bare_base_answer_side_by_side_as_generate_does(
    preset: str, rank: int, tmp_path: Path
):
    base = loaded(preset)
    networks = {preset if preset == "tiny" else "llama-3-tiny": base.base}
    for seed, name in enumerate(("one", "two"), 4):
        make_adapter(tmp_path / name, base, rank=rank, seed=seed)
        networks[name] = with_adapter(base.base, tmp_path / name)
    codec = PromptCodec("llama3", base.tokenizer)
    prompt = codec.encode_chat(PAIRS)
    expected = {name: reference(network, prompt, 12) for name, network in networks.items()}
    assert len({tuple(tokens) for tokens in expected.values()}) == 3

    async with operating(preset, tmp_path) as operator:
        for name in ("one", "two"):
            assert await operator.load(name, name) == (
                200,
                f"Success: LoRA adapter '{name}' added successfully.",
            )
        answers = await asyncio.gather(*[operator.ask(name) for name in [*networks] * 3])
    for name, answer in zip([*networks] * 3, answers, strict=True):
        tokens = expected[name][: answer.usage.completion_tokens]
        detokenizer = codec.detokenizer(tuple(prompt))
        assert detokenizer.feed(tuple(tokens)) + detokenizer.finish() == answer.choices[0].message.content
        assert answer.model == name


async def test_a_loaded_adapter_is_listed_with_its_base_as_root_and_parent(tiny: Operator):
    await tiny.load("mine", "one")
    cards = (await tiny.running.client.models.list()).data
    assert [(card.id, card.root, card.parent) for card in cards] == [
        ("tiny", "tiny", None),
        ("mine", "tiny", "tiny"),
    ]
    answer = await tiny.ask("mine")
    assert answer.system_fingerprint == "tiny/mine/llama3"


async def test_the_base_tensors_are_in_memory_once(tiny: Operator):
    await tiny.load("mine", "one")
    bare, adapted = (engine.network for engine in tiny.worker.engines())
    assert {id(tensor) for tensor in bare.parameters()} <= {id(tensor) for tensor in adapted.parameters()}
    assert adapted is not bare


async def test_an_unloaded_adapter_is_unknown_and_may_come_back(tiny: Operator):
    await tiny.load("mine", "one")
    first = await tiny.ask("mine")
    assert await tiny.unload("mine") == (200, "Success: LoRA adapter 'mine' removed successfully.")
    with pytest.raises(openai.NotFoundError):
        await tiny.ask("mine")
    assert await tiny.names() == ["tiny"]
    await tiny.load("mine", "one")
    assert (await tiny.ask("mine")).choices == first.choices


async def test_an_answer_ends_on_the_adapter_it_began_with_while_new_ones_get_the_new(tiny: Operator):
    await tiny.load("mine", "one")
    alone = await tiny.ask("mine", 50)
    running = asyncio.create_task(tiny.ask("mine", 50))
    await until(lambda: tiny.worker.load.running == 1)
    assert (await tiny.load("mine", "two", load_inplace=True))[0] == 200
    new = await tiny.ask("mine", 50)
    assert (await running).choices == alone.choices != new.choices
    await until(lambda: tiny.worker.retiring == 0)
    assert len(tiny.worker.engines()) == 2


async def test_unloading_lets_a_running_answer_end_and_then_frees_its_engine(tiny: Operator):
    await tiny.load("mine", "one")
    alone = await tiny.ask("mine", 50)
    running = asyncio.create_task(tiny.ask("mine", 50))
    await until(lambda: tiny.worker.load.running == 1)
    [retired] = [engine for engine in tiny.worker.engines() if engine.name == "mine"]
    assert (await tiny.unload("mine"))[0] == 200
    assert retired in tiny.worker.engines()
    assert await tiny.names() == ["tiny"]
    assert (await running).choices == alone.choices
    await until(lambda: retired not in tiny.worker.engines())
    assert retired.network is None


async def test_requests_go_on_while_an_adapter_is_loaded(tiny: Operator):
    running = asyncio.create_task(tiny.ask("tiny", 50))
    await until(lambda: tiny.worker.load.running == 1)
    results = await asyncio.gather(tiny.load("a", "one"), tiny.load("b", "two"))
    assert [status for status, _ in results] == [200, 200]
    assert (await running).usage.completion_tokens > 1


async def test_a_name_that_is_taken_wants_load_inplace(tiny: Operator):
    results = await asyncio.gather(tiny.load("mine", "one"), tiny.load("mine", "two"))
    assert sorted(status for status, _ in results) == [200, 400]
    [refusal] = [error for status, error in results if status == 400]
    assert refusal["message"] == (
        "The lora adapter 'mine' has already been loaded. If you want to load the adapter in place, set "
        "'load_inplace' to True."
    )
    assert (refusal["type"], refusal["param"], refusal["code"]) == ("InvalidUserInput", None, 400)


async def test_no_more_adapters_than_allowed(tiny: Operator):
    await tiny.load("a", "one")
    await tiny.load("b", "two")
    status, error = await tiny.load("c", "three")
    assert status == 400
    assert "2 adapters are loaded (a, b)" in error["message"]
    assert await tiny.names() == ["tiny", "a", "b"]
    assert (await tiny.load("b", "three", load_inplace=True))[0] == 200


async def test_where_the_memory_is_taken_by_an_adapter_that_retires_the_next_must_wait(tiny: Operator):
    await tiny.load("a", "one")
    await tiny.load("b", "two")
    running = [asyncio.create_task(tiny.ask(name, 90)) for name in ("a", "b")]
    await until(lambda: tiny.worker.load.running == 2)
    await tiny.load("a", "three", load_inplace=True)
    status, error = await tiny.load("b", "three", load_inplace=True)
    assert (status, error["code"]) == (503, "adapters_retiring")
    await asyncio.gather(*running)
    await until(lambda: tiny.worker.retiring == 0)
    assert (await tiny.load("b", "three", load_inplace=True))[0] == 200


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"lora_name": "x"}, 400, "Both 'lora_name' and 'lora_path' must be provided."),
        ({"lora_name": "", "lora_path": "one"}, 400, "Both 'lora_name' and 'lora_path' must be provided."),
        ({"lora_name": "a b", "lora_path": "one"}, 400, "'lora_name' has up to 128"),
        ({"lora_name": "tiny", "lora_path": "one"}, 400, "'tiny' is the base model's name."),
        ({"lora_name": "x", "lora_path": "none"}, 404, "Loading lora x failed: No adapter found for none"),
        ({"lora_name": "x", "lora_path": "../one"}, 400, "not below the folder that ADAPTERS_DIR names"),
        ({"lora_name": "x", "lora_path": "/etc"}, 400, "not below the folder that ADAPTERS_DIR names"),
        (
            {"lora_name": "x", "lora_path": "one", "base_model_name": "llama"},
            400,
            "base model here is 'tiny'",
        ),
    ],
)
async def test_what_cannot_be_loaded_is_refused_as_vllm_does(
    fake: Operator, body: dict, status: int, message: str
):
    given, error = await fake.post("/v1/load_lora_adapter", **body)
    assert (given, error["code"]) == (status, status)
    assert message in error["message"]
    assert await fake.names() == ["tiny"]


async def test_an_unknown_adapter_cannot_be_unloaded(fake: Operator):
    status, error = await fake.unload("nobody")
    assert (status, error["message"]) == (404, "The lora adapter 'nobody' cannot be found.")
    assert error["type"] == "NotFoundError"
    status, error = await fake.unload("tiny")
    assert status == 404
    status, error = await fake.unload("")
    assert error["message"] == "'lora_name' needs to be provided to unload a LoRA adapter."


async def test_a_broken_successor_leaves_the_adapter_in_use(tiny: Operator):
    await tiny.load("mine", "one")
    before = await tiny.ask("mine")
    folder = tiny.host._options.folder
    shutil.copytree(folder / "two", folder / "broken")
    (folder / "broken" / "adapter_model.safetensors").write_bytes(b"not safetensors at all")
    status, error = await tiny.load("mine", "broken", load_inplace=True)
    assert (status, error["type"]) == (400, "BadRequestError")
    assert "adapter_model.safetensors is broken" in error["message"]
    assert (await tiny.ask("mine")).choices == before.choices
    assert tiny.worker.retiring == 0


async def test_an_operator_who_hangs_up_leaves_nothing_half_done(tiny: Operator):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(tiny.load("mine", "one"), 0.02)
    await until(lambda: len(tiny.worker.models) == 2)
    assert (await tiny.ask("mine")).model == "mine"


async def test_a_crash_of_an_adapters_engine_turns_the_whole_worker_red(tiny: Operator):
    await tiny.load("mine", "one")

    def crash(*_):
        raise RuntimeError("broken")

    [engine] = [engine for engine in tiny.worker.engines() if engine.name == "mine"]
    engine._manager.batch_processor._generation_step = crash
    with pytest.raises(openai.InternalServerError, match="broken"):
        await tiny.ask("mine")
    assert "broken" in await asyncio.wait_for(tiny.worker.failed(), 5)
    with pytest.raises(openai.InternalServerError):
        await tiny.ask("tiny")


async def test_adapters_named_at_the_start_are_served_from_the_start(tmp_path: Path):
    folder = make_adapter(tmp_path / "elsewhere" / "one", loaded("tiny"), rank=8, seed=4)
    async with operating("tiny", tmp_path / "adapters", at_start={"mine": folder}) as operator:
        assert await operator.names() == ["mine", "tiny"]
        assert (await operator.ask("")).model == "mine"


async def test_the_process_ends_where_the_engine_of_an_adapter_fails(tmp_path: Path):
    engine, ready = FakeEngine(), asyncio.Event()
    folder = make_adapter(tmp_path / "one", loaded("tiny"), rank=8, seed=4)
    host = FakeHost(fake_model(engine), engine, AdapterOptions(at_start={"mine": folder}))
    models = host.first()
    host.first = lambda: models
    process = asyncio.create_task(serve(lambda: host, ServeOptions(port=0), lambda _: ready.set()))
    await asyncio.wait_for(ready.wait(), 5)
    models[0].engine.break_down("out of memory")
    assert await asyncio.wait_for(process, 5) == 1


@pytest.mark.embedded
async def test_the_embedded_model_takes_an_adapter_too(tmp_path: Path):
    base = loaded("embedded")
    make_adapter(tmp_path / "one", base, rank=16, seed=4)
    networks = {"one": with_adapter(base.base, tmp_path / "one"), "gemma-3-270m": base.base}
    prompt = PromptCodec("gemma", base.tokenizer).encode_chat((("user", "Hello"),))
    expected = {name: reference(network, prompt, 3) for name, network in networks.items()}
    host = ModelHost(lambda: base, AdapterOptions(tmp_path))
    models = {model.name: model for model in [host.adapter("one", "one"), *host.first()]}
    assert models["one"].codec.prompt_format == "gemma"
    for name in networks:
        engine = models[name].engine
        await engine.start()
        try:
            assert await generate(engine, prompt, max_tokens=3) == expected[name]
        finally:
            await engine.close()
    assert expected["one"] != expected["gemma-3-270m"]

"""A worker that is put to sleep and woken up: what it frees, what it says, and that nothing is lost."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from weakref import ref

import aiohttp
import openai
import pytest
import torch

from model.adapter_folder import AdapterOptions
from model.engine.errors import CannotRun
from model.engine.fake import FakeEngine
from model.fake_host import FakeHost
from model.loading import LoadedModel, load
from model.preset import load_preset
from model.server import administration
from model.serving import ModelHost
from tests.model.worker.conftest import Running, fake_model, listening, until
from tests.model.worker.models import loaded, make_adapter

CHAT = [{"role": "user", "content": "Hello 猫"}]


class Sleeper:
    """A worker and somebody who puts it to sleep."""

    def __init__(self, running: Running, http: aiohttp.ClientSession) -> None:
        self.running = running
        self.worker = running.worker
        self._http = http

    async def post(self, path: str, **body) -> int:
        async with self._http.post(f"{self.running.url}{path}", json=body or None) as response:
            return response.status

    async def get(self, path: str) -> tuple[int, dict]:
        async with self._http.get(f"{self.running.url}{path}") as response:
            return response.status, await response.json()

    async def ask(self, name: str = "", words: str = "Hello 猫", tokens: int = 12) -> str:
        answer = await self.running.client.chat.completions.create(
            model=name, messages=[{"role": "user", "content": words}], seed=3, max_tokens=tokens
        )
        return answer.choices[0].message.content


@asynccontextmanager
async def sleeping(source) -> AsyncIterator[Sleeper]:
    async with listening(source) as running, aiohttp.ClientSession() as http:
        yield Sleeper(running, http)


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[Sleeper]:
    engine = FakeEngine(tokens_per_second=100)
    async with sleeping(FakeHost(fake_model(engine), engine, AdapterOptions(tmp_path))) as sleeper:
        yield sleeper


@pytest.mark.parametrize(("preset", "level"), [("tiny", 1), ("tiny", 2), ("llama3-tiny", 2)])
async def test_awake_again_it_answers_as_before_with_every_adapter(preset: str, level: int, tmp_path: Path):
    base = loaded(preset)
    for seed, name in enumerate(("one", "two"), 4):
        make_adapter(tmp_path / name, base, rank=8, seed=seed)
    async with sleeping(ModelHost(lambda: load(load_preset(preset)), AdapterOptions(tmp_path))) as worker:
        for name in ("one", "two"):
            assert await worker.post("/v1/load_lora_adapter", lora_name=name, lora_path=name) == 200
        cards = (await worker.get("/v1/models"))[1]
        names = [card["id"] for card in cards["data"]]
        before = [await worker.ask(name) for name in names]
        assert len(set(before)) == 3
        assert await worker.post(f"/sleep?level={level}") == 200
        # What lies in the folders now is another version.
        shutil.rmtree(tmp_path / "one")
        assert (await worker.get("/v1/models"))[1] == cards
        assert await worker.post("/wake_up") == 200
        assert (await worker.get("/v1/models"))[1] == cards
        assert [await worker.ask(name) for name in names] == before


@pytest.mark.parametrize("level", [1, 2])
async def test_the_cache_is_freed_and_at_level_2_the_weights_and_adapters_too(level: int, tmp_path: Path):
    make_adapter(tmp_path / "one", loaded("tiny"), rank=8, seed=4)
    async with sleeping(ModelHost(lambda: load(load_preset("tiny")), AdapterOptions(tmp_path))) as worker:
        await worker.post("/v1/load_lora_adapter", lora_name="one", lora_path="one")
        engines = worker.worker.engines()
        caches = [
            ref(cache) for engine in engines for cache in engine._manager.batch_processor.cache.key_cache
        ]
        networks = [ref(engine.network) for engine in engines]
        weights = [ref(tensor) for tensor in engines[0].network.parameters()]
        await worker.ask("one")
        del engines
        assert await worker.post(f"/sleep?level={level}") == 200
        assert all(cache() is None for cache in caches)
        assert networks[1]() is None
        assert [weight() is None for weight in weights] == [level == 2] * len(weights)
        assert (networks[0]() is None) is (level == 2)


async def test_asleep_it_says_so_everywhere_and_refuses_for_a_while(fake: Sleeper):
    assert (await fake.get("/is_sleeping"))[1] == {"is_sleeping": False}
    await fake.post("/sleep")
    assert (await fake.get("/is_sleeping"))[1] == {"is_sleeping": True}
    status, health = await fake.get("/health")
    assert (status, health["ready"], health["status"]) == (503, False, "sleeping")
    with pytest.raises(openai.InternalServerError, match="sleeps") as refusal:
        await fake.ask()
    assert refusal.value.code == "worker_sleeping"
    assert int(refusal.value.response.headers["Retry-After"]) >= 1
    assert await fake.post("/v1/load_lora_adapter", lora_name="a", lora_path="a") == 503
    await fake.post("/wake_up")
    assert (await fake.get("/is_sleeping"))[1] == {"is_sleeping": False}
    assert (await fake.get("/health"))[0] == 200
    assert await fake.ask(words="again") == "again"


async def test_a_running_answer_ends_first_and_nothing_new_begins(fake: Sleeper):
    running = asyncio.create_task(fake.ask(words="one two three four five six seven"))
    await until(lambda: fake.worker.load.running == 1)
    asleep = asyncio.create_task(fake.post("/sleep"))
    await until(lambda: fake.worker.state == "sleeping")
    with pytest.raises(openai.InternalServerError, match="sleeps"):
        await fake.ask()
    assert not asleep.done()
    assert await running == "one two three four five six seven"
    assert await asleep == 200


@pytest.mark.parametrize("query", ["", "?mode=abort"])
async def test_an_answer_that_takes_too_long_or_is_not_waited_for_is_handed_back(
    fake: Sleeper, query: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(administration, "SLEEP_GRACE", 0.1)
    running = asyncio.create_task(fake.ask(words="!words 300", tokens=400))
    await until(lambda: fake.worker.load.running == 1)
    assert await fake.post(f"/sleep{query}") == 200
    with pytest.raises(openai.InternalServerError, match="sleeps") as failure:
        await running
    assert failure.value.code == "worker_sleeping"
    assert fake.worker.load.running == 0


async def test_asked_twice_it_sleeps_or_wakes_once(fake: Sleeper):
    assert await fake.post("/wake_up") == 200
    assert [await fake.post("/sleep"), await fake.post("/sleep?level=2")] == [200, 200]
    assert [await fake.post("/wake_up"), await fake.post("/wake_up?tags=weights&tags=kv_cache")] == [200, 200]
    assert await fake.ask(words="here") == "here"


@pytest.mark.parametrize(
    "path", ["/sleep?level=0", "/sleep?level=x", "/sleep?mode=keep", "/wake_up?tags=weights"]
)
async def test_what_is_not_served_is_refused(fake: Sleeper, path: str):
    assert await fake.post(path) == 400
    assert (await fake.get("/is_sleeping"))[1] == {"is_sleeping": False}


async def test_where_waking_up_fails_it_sleeps_on_and_may_be_tried_again():
    attempts = iter([True, False, True])

    def load_if_there_is_room() -> LoadedModel:
        if not next(attempts):
            raise CannotRun("The GPU's memory is in use.")
        return load(load_preset("tiny"))

    async with sleeping(ModelHost(load_if_there_is_room)) as worker:
        before = await worker.ask()
        await worker.post("/sleep?level=2")
        assert await worker.post("/wake_up") == 503
        assert (await worker.get("/health"))[1]["status"] == "sleeping"
        assert await worker.post("/wake_up") == 200
        assert await worker.ask() == before


async def test_a_failure_while_falling_asleep_turns_the_worker_red(
    fake: Sleeper, monkeypatch: pytest.MonkeyPatch
):
    def fail(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr(FakeHost, "put_away", fail)
    assert await fake.post("/sleep") == 500
    assert "no room" in await asyncio.wait_for(fake.worker.failed(), 5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
@pytest.mark.parametrize("level", [1, 2])
async def test_a_gpus_memory_is_given_back(level: int, tmp_path: Path):
    make_adapter(tmp_path / "one", loaded("llama3-tiny"), rank=64, seed=4)
    async with sleeping(
        ModelHost(lambda: load(load_preset("llama3-tiny")), AdapterOptions(tmp_path))
    ) as worker:
        await worker.post("/v1/load_lora_adapter", lora_name="one", lora_path="one")
        before = [await worker.ask(name) for name in ("one", "llama-3-tiny")]
        awake = torch.cuda.memory_allocated()
        await worker.post(f"/sleep?level={level}")
        # `loaded` keeps one base of its own for all tests.
        kept = sum(tensor.nbytes for tensor in loaded("llama3-tiny").base.parameters())
        assert torch.cuda.memory_allocated() < 1.2 * kept < awake
        await worker.post("/wake_up")
        assert [await worker.ask(name) for name in ("one", "llama-3-tiny")] == before

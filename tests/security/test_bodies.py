"""Bodies that are too large, packed, or never end; connections that trickle. At real servers: the worker, the trainer,
the bot's metrics."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

import model.server.body
import model.server.run
import training.serving.run
import training.serving.uploads
from bot.metrics import server as metrics_server
from model.adapter_folder import AdapterOptions
from model.engine.fake import FakeEngine
from model.fake_host import FakeHost
from model.server.run import ServeOptions
from model.server.run import serve as serve_worker
from tests.model.worker.conftest import fake_model
from tests.security.wire import drip
from tests.training.serving.conftest import listening as trainer_listening
from training.serving.settings import TrainerSettings

CHAT, FILES = "/v1/chat/completions", "/v1/files"
IDLE = 1.0
BOMB = 8 * 2**20


@asynccontextmanager
async def worker(folder: Path) -> AsyncIterator[str]:
    """A worker as `python -m model serve` runs it, with a fake engine."""
    engine = FakeEngine()
    host = FakeHost(fake_model(engine), engine, AdapterOptions(folder))
    async with _serving(lambda announce: serve_worker(lambda: host, ServeOptions(port=0), announce)) as url:
        yield url


@asynccontextmanager
async def trainer(folder: Path) -> AsyncIterator[str]:
    """A trainer as `python -m training serve` runs it."""
    settings = TrainerSettings(
        _env_file=None, trainer_dir=folder, adapters_dir=folder / "adapters", trainer_port=0, trainer_token=None,
        trainer_recipes=("tiny",), worker_url=None,
    )  # fmt: skip
    async with _serving(lambda announce: training.serving.run.serve(settings, announce)) as url:
        yield url


@asynccontextmanager
async def metrics(_: Path) -> AsyncIterator[str]:
    class Told:
        async def text(self, accept: str) -> tuple[bytes, str]:
            return b"figures 1\n", "text/plain"

    async with metrics_server.serving_metrics(Told(), host="127.0.0.1", port=0) as url:
        yield url


@asynccontextmanager
async def _serving(run) -> AsyncIterator[str]:
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(run(lambda said: address.done() or address.set_result(said)))
    try:
        async with asyncio.timeout(60):
            await asyncio.wait({serving, address}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield await address
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


SERVERS = {"worker": (worker, "/health"), "trainer": (trainer, "/health"), "metrics": (metrics, "/metrics")}


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience of a second, where it is a minute and more."""
    for module in (model.server.run, training.serving.run, metrics_server):
        monkeypatch.setattr(module, "IDLE_SECONDS", IDLE)
    monkeypatch.setattr(model.server.body, "BODY_SECONDS", IDLE)
    monkeypatch.setattr(training.serving.uploads, "UPLOAD_SECONDS", IDLE)


def heads(name: str) -> list[bytes]:
    """Ways to begin a request that never ends."""
    begun = [b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "]
    if name == "worker":
        begun.append(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{{".encode())
    if name == "trainer":
        form = "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000\r\n\r\n--b\r\n"
        begun.append(f"POST {FILES} HTTP/1.1\r\nHost: x\r\n{form}".encode())
        begun.append(b"POST /v1/fine_tuning/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{")
    return begun


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("name", SERVERS)
async def test_a_connection_that_trickles_is_ended_while_others_are_served(name: str, tmp_path: Path) -> None:
    start, path = SERVERS[name]
    async with start(tmp_path) as url, aiohttp.ClientSession() as http:
        trickles = [asyncio.create_task(drip(url, head)) for head in heads(name) for _ in range(20)]
        served = 0
        while not all(trickle.done() for trickle in trickles):
            async with http.get(url + path) as answer:
                assert answer.status == 200
            served += 1
            await asyncio.wait(trickles, timeout=0.1)
        assert served
        for trickle in trickles:
            assert trickle.result() > 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, gzip"])
async def test_packed_bodies_are_not_unpacked(encoding: str, tmp_path: Path) -> None:
    bomb = gzip.compress(b" " * BOMB, 1)
    assert len(bomb) < BOMB / 200
    headers = {"Content-Encoding": encoding, "Content-Type": "application/json"}
    async with worker(tmp_path / "worker") as url, aiohttp.ClientSession() as http:
        for path in (CHAT, "/tokenize", "/v1/load_lora_adapter"):
            assert await status_of(http, url + path, bomb, headers) == 415
    async with trainer(tmp_path / "trainer") as url, aiohttp.ClientSession() as http:
        assert await status_of(http, f"{url}/v1/fine_tuning/jobs", bomb, headers) == 415
        headers["Content-Type"] = "multipart/form-data; boundary=b"
        assert await status_of(http, url + FILES, bomb, headers) == 415
        assert not list((tmp_path / "trainer").glob(".incoming-*"))


async def status_of(http: aiohttp.ClientSession, url: str, body: bytes, headers: dict[str, str]) -> int:
    async with http.post(url, data=io.BytesIO(body), headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "5, 6", "+5", "0x10"])
async def test_a_length_that_is_none_is_refused(length: str, tmp_path: Path) -> None:
    async with worker(tmp_path) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{{}}".encode())
        async with asyncio.timeout(60):
            status = (await reader.readline()).decode()
        assert " 400 " in status or " 413 " in status
        writer.close()


async def test_an_upload_of_endlessly_many_fields_is_refused(tmp_path: Path) -> None:
    parts = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="n%d"\r\n\r\n%s\r\n' % (number, b"x" * 10)
        for number in range(20)
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    body = io.BytesIO(parts + b"--b--\r\n")
    async with (
        trainer_listening(tmp_path) as running,
        aiohttp.ClientSession() as http,
        http.post(running.url + FILES, data=body, headers=headers) as answer,
    ):
        assert answer.status == 400
        assert "too many parts" in (await answer.json())["error"]["message"]


@pytest.mark.parametrize("members", ["[" * 100_000, '["a", ' + "[" * 50_000, "{}", "[1]", '[""]', "9" * 6000])
async def test_members_that_are_no_list_are_refused(members: str, tmp_path: Path) -> None:
    async with trainer_listening(tmp_path) as running, aiohttp.ClientSession() as http:
        form = aiohttp.FormData({"purpose": "fine-tune", "members": members})
        form.add_field("file", b"{}", filename="rows.jsonl")
        async with http.post(running.url + FILES, data=form) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["param"] == "members"


@pytest.mark.parametrize(
    "body",
    [
        "[" * 200_000,
        '{"messages":' * 50_000,
        json.dumps({"messages": [{"role": "user", "content": "x"}] * 5, "stop": ["x"] * 10_000}),
        '{"max_tokens": ' + "9" * 5000 + "}",
        '{"temperature": 1e999, "messages": [{"role": "user", "content": "x"}]}',
        '{"temperature": NaN, "messages": [{"role": "user", "content": "x"}]}',
        '{"messages": [{"role": "user", "content": "\\ud800"}]}',
        '{"messages": [{"role": "user", "content": ' + "[" * 500 + "]" * 500 + "}]}",
    ],
    ids=range(8),
)
async def test_json_made_to_be_trouble_is_a_bad_request(body: str, tmp_path: Path) -> None:
    async with worker(tmp_path) as url, aiohttp.ClientSession() as http:
        async with http.post(url + CHAT, data=body) as answer:
            assert answer.status == 400
        async with http.get(f"{url}/health") as answer:
            assert answer.status == 200

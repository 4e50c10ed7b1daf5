"""The worker as a process: `python -m model`, what it prints, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import openai
import pytest

from model.engine.errors import CannotRun
from model.engine.fake import FakeEngine
from model.fake_host import FakeHost
from model.server import run as server_run
from model.server.process import check_address
from model.server.run import ServeOptions, serve
from tests.model.worker.conftest import fake_model, until

QUIET = {
    name: value for name, value in os.environ.items() if name != "PRESET" and not name.startswith("WORKER_")
}


def run(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "model", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=QUIET | environment,
        timeout=60,
    )


@asynccontextmanager
async def worker_process(folder: Path, *arguments: str, **environment: str):
    """A worker and its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "model", "serve", "--preset", "fake", "--port", "0"),
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=QUIET | environment,
    )
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        assert line.startswith("worker ready on http://127.0.0.1:"), (await process.stderr.read()).decode()
        yield process, line.split()[-1]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["serve", "--help"], ["models", "--help"], ["chat", "--help"]]
)
def test_help_is_quick_and_imports_nothing_heavy(arguments: list[str], tmp_path: Path):
    code = (
        "import sys, runpy\n"
        f"sys.argv = ['model', *{arguments}]\n"
        "try: runpy.run_module('model', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'pydantic', 'aiohttp', 'yaml', 'openai', 'rich'} & set(sys.modules)))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"
    assert "usage: python -m model" in result.stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 1


def test_the_models_are_listed_with_what_each_needs(tmp_path: Path):
    adapter = tmp_path / "adapters" / "2026-11-28" / "mine"
    adapter.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": 16, "base_model_name_or_path": "meta-llama/Meta-Llama-3-8B-Instruct"}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    (adapter / "adapter_model.safetensors").touch()
    result = run("models", folder=tmp_path, FANFABLER_CACHE=str(tmp_path), COLUMNS="150")
    assert result.returncode == 0, result.stderr
    for word in (
        "embedded",
        "llama3-8b",
        "llama3.1-8b",
        "llama3-tiny",
        "9 GiB GPU",
        "not downloaded",
        "2026-11-28/mine",
        "meta-llama/Meta-Llama-3-8B-Instruct",
        "GiB free",
    ):
        assert word in result.stdout


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["--preset", "nobody"], {}, "There is no preset 'nobody'"),
        (["--preset", "fake", "--host", "0.0.0.0"], {}, "set WORKER_TOKEN first"),
        (
            ["--preset", "fake", "--adapter", "mine=nowhere"],
            {},
            "--adapter mine=nowhere cannot be served: There is no",
        ),
        (["--preset", "fake", "--adapter", "fake=nowhere"], {}, "is taken; choose another"),
        (["--preset", "fake"], {"WORKER_TOKEN": "short"}, "WORKER_TOKEN: String should have at least 8"),
        (["--preset", "embedded"], {"EMBEDDED_MODEL_PATH": "/nowhere"}, "neither a GGUF file nor"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    arguments: list[str], environment: dict, sentence: str, tmp_path: Path
):
    result = run("serve", *arguments, folder=tmp_path, **environment)
    assert result.returncode != 0
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_only_loopback_needs_no_token():
    for host in ("127.0.0.1", "::1", "localhost", "127.3.2.1"):
        check_address(host, None)
    for host in ("0.0.0.0", "::", "192.168.1.4", "example.org"):
        with pytest.raises(CannotRun):
            check_address(host, None)
        check_address(host, "a-long-secret")


async def test_it_serves_and_ends_a_running_answer_before_it_stops(tmp_path: Path):
    async with worker_process(tmp_path, "--tokens-per-second", "60") as (process, url):
        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        stream = await client.chat.completions.create(
            model="fake", messages=[{"role": "user", "content": "word " * 30}], stream=True
        )
        texts = []
        async for chunk in stream:
            texts.append(chunk.choices[0].delta.content or "")
            if len(texts) == 3:
                process.send_signal(signal.SIGTERM)
        assert "".join(texts) == ("word " * 30).strip()
        assert await asyncio.wait_for(process.wait(), 10) == 0
        await client.close()


async def test_an_answer_that_takes_longer_than_the_grace_is_cut_off(tmp_path: Path):
    async with worker_process(tmp_path, "--tokens-per-second", "5", "--grace", "0.3") as (process, url):
        body = {"messages": [{"role": "user", "content": "!words 500"}], "max_tokens": 500, "stream": True}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{url}/v1/chat/completions", json=body) as response,
        ):
            await response.content.readline()
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_it_wants_its_token_and_logs_a_line_for_each_request(tmp_path: Path):
    async with worker_process(tmp_path, WORKER_TOKEN="a-long-secret") as (process, url):
        async with aiohttp.ClientSession() as http:
            async with http.get(f"{url}/v1/models") as response:
                assert response.status == 401
            headers = {"Authorization": "Bearer a-long-secret", "X-Request-ID": "mine-1"}
            async with http.get(f"{url}/v1/models", headers=headers) as response:
                assert response.status == 200
        process.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(process.communicate(), 10)
    assert "GET /v1/models id=mine-1 status=200" in log.decode()


async def test_it_goes_when_its_parent_has_gone(tmp_path: Path):
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'model', 'serve', '--preset', 'fake', '--port', '0',"
        " '--with-parent'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)\n"
        "print(child.stdout.readline().split()[-1], child.pid, flush=True)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", parent], capture_output=True, text=True, check=True, cwd=tmp_path, env=QUIET
    )
    url, _ = result.stdout.split()
    async with aiohttp.ClientSession() as http:

        async def gone() -> bool:
            try:
                async with http.get(f"{url}/health") as response:
                    return response.status != 200
            except aiohttp.ClientError:
                return True

        async with asyncio.timeout(10):
            while not await gone():
                await asyncio.sleep(0.1)


def test_it_goes_when_its_parent_had_gone_before_it_looked(tmp_path: Path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    command = ("-m", "model", "serve", "--preset", "fake", "--port", "0", f"--with-parent={ended.pid}")
    subprocess.run(
        [sys.executable, *command],
        check=True,
        cwd=tmp_path,
        env=QUIET,
        timeout=60,
        stdout=subprocess.DEVNULL,
    )


async def listens(port: int) -> None:
    """Wait until somebody takes connections there."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.01)


async def test_while_it_loads_health_says_so_and_requests_are_told_to_come_back(unused_port: int):
    engine, go_on, addresses = FakeEngine(), asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def load():
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        return FakeHost(fake_model(engine), engine)

    process = asyncio.create_task(serve(load, ServeOptions(port=unused_port), addresses.append))
    url = f"http://127.0.0.1:{unused_port}"
    async with aiohttp.ClientSession() as http:
        await listens(unused_port)
        async with http.get(f"{url}/health") as response:
            assert response.status == 503
            assert (await response.json())["status"] == "loading"
        body = json.dumps({"messages": [{"role": "user", "content": "hi"}]})
        async with http.post(f"{url}/v1/chat/completions", data=body) as response:
            assert response.status == 503
            assert "Retry-After" in response.headers
        go_on.set()
        await until(lambda: addresses)
        assert addresses == [url]
        async with http.get(f"{url}/health") as response:
            assert response.status == 200
    engine.break_down("out of memory")
    assert await asyncio.wait_for(process, 5) == 1


async def test_a_connection_without_a_whole_request_is_closed(
    unused_port: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(server_run, "IDLE_SECONDS", 0.3)
    engine = FakeEngine()
    process = asyncio.create_task(
        serve(lambda: FakeHost(fake_model(engine), engine), ServeOptions(port=unused_port), lambda _: None)
    )
    await listens(unused_port)
    reader, writer = await asyncio.open_connection("127.0.0.1", unused_port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nX-Slow: ")
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    engine.break_down("enough")
    assert await asyncio.wait_for(process, 10) == 1


async def test_a_port_that_is_taken_is_said_so_before_anything_is_loaded(unused_port: int):
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", unused_port)
    async with server:
        with pytest.raises(CannotRun, match=f"Port {unused_port} .* --port"):
            await serve(lambda: pytest.fail("loaded"), ServeOptions(port=unused_port), print)


async def test_what_fails_while_loading_ends_the_process_with_the_reason(unused_port: int):
    def load():
        raise CannotRun("no such weights")

    with pytest.raises(CannotRun, match="no such weights"):
        await serve(load, ServeOptions(port=unused_port), print)


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

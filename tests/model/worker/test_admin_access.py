"""Who may take adapters in and out and put a worker to sleep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from model.adapter_folder import AdapterOptions
from model.engine.fake import FakeEngine
from model.fake_host import FakeHost
from model.server.admin import AdminAccess
from tests.model.worker.conftest import fake_model, listening
from tests.model.worker.models import loaded, make_adapter
from tests.model.worker.test_process import worker_process

CHAT_TOKEN, ADMIN_TOKEN = "for-chats-only", "for-admins-only"
ROUTES = ["/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/sleep", "/wake_up", "/is_sleeping"]
Ask = Callable[..., Awaitable[int]]
Start = Callable[..., Awaitable[Ask]]


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """`await start(token, access)`: a fake worker, and how it answers to a request."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())

        async def run(token: str | None, access: AdminAccess) -> Ask:
            engine = FakeEngine()
            host = FakeHost(fake_model(engine), engine, AdapterOptions(tmp_path))
            running = await stack.enter_async_context(listening(host, token, access=access))

            async def ask(path: str, headers: dict[str, str] | None = None, **body) -> int:
                method = "GET" if path in {"/is_sleeping", "/v1/models"} else "POST"
                async with http.request(
                    method, f"{running.url}{path}", headers=headers, json=body or None
                ) as answer:
                    assert answer.status < 400 or "error" in await answer.json()
                    return answer.status

            return ask

        yield run


@pytest.mark.parametrize("path", ROUTES)
async def test_where_there_is_an_admin_token_it_is_needed_and_the_other_one_does_not_do(
    start: Start, path: str
):
    ask = await start(CHAT_TOKEN, AdminAccess(ADMIN_TOKEN))
    for wrong in (None, CHAT_TOKEN, ADMIN_TOKEN[:-1], f"{ADMIN_TOKEN}x", "ä"):
        assert await ask(path, bearer(wrong)) == 401
    assert await ask(path, bearer(ADMIN_TOKEN)) in {200, 400}


async def test_the_admin_token_is_none_for_chats(start: Start):
    ask = await start(CHAT_TOKEN, AdminAccess(ADMIN_TOKEN))
    assert await ask("/v1/models", bearer(ADMIN_TOKEN)) == 401
    assert await ask("/v1/models", bearer(CHAT_TOKEN)) == 200


@pytest.mark.parametrize("path", ROUTES)
async def test_without_an_admin_token_a_worker_that_asks_for_the_other_one_refuses(start: Start, path: str):
    ask = await start(CHAT_TOKEN, AdminAccess(open=False))
    assert await ask(path, bearer(CHAT_TOKEN)) == 403


async def test_where_nobody_needs_a_token_web_pages_are_kept_out_all_the_same(start: Start):
    ask = await start(None, AdminAccess(open=True))
    assert await ask("/sleep", {"Origin": "https://example.org"}) == 403
    assert await ask("/is_sleeping") == 200
    assert await ask("/v1/load_lora_adapter", {"Content-Type": "text/plain"}) == 400


async def test_a_process_takes_token_and_folder_from_its_settings(tmp_path: Path):
    make_adapter(tmp_path / "mine", loaded("tiny"), rank=8, seed=1)
    settings = {"WORKER_TOKEN": CHAT_TOKEN, "WORKER_ADMIN_TOKEN": ADMIN_TOKEN, "ADAPTERS_DIR": str(tmp_path)}
    async with (
        worker_process(tmp_path, "--adapter", f"first={tmp_path / 'mine'}", **settings) as (_, url),
        aiohttp.ClientSession() as http,
    ):
        body = {"lora_name": "second", "lora_path": "mine"}
        async with http.post(f"{url}/v1/load_lora_adapter", json=body, headers=bearer(CHAT_TOKEN)) as answer:
            assert answer.status == 401
        async with http.post(f"{url}/v1/load_lora_adapter", json=body, headers=bearer(ADMIN_TOKEN)) as answer:
            assert await answer.text() == "Success: LoRA adapter 'second' added successfully."
        async with http.get(f"{url}/v1/models", headers=bearer(CHAT_TOKEN)) as answer:
            assert [card["id"] for card in (await answer.json())["data"]] == ["first", "fake", "second"]
        async with http.get(f"{url}/health") as answer:
            assert (await answer.json())["adapters"] == ["first", "second"]


async def test_a_process_without_an_admin_token_says_how_to_get_at_its_adapters(tmp_path: Path):
    async with (
        worker_process(tmp_path, WORKER_TOKEN=CHAT_TOKEN) as (_, url),
        aiohttp.ClientSession() as http,
        http.post(f"{url}/sleep", headers=bearer(CHAT_TOKEN)) as answer,
    ):
        assert answer.status == 403
        assert "start the worker with WORKER_ADMIN_TOKEN set" in (await answer.json())["error"]["message"]

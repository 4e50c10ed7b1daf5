"""`python -m model health`: one line and an exit status, for people and for health checks."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from model.__main__ import main
from model.engine.fake import FakeEngine
from tests.model.worker.conftest import fake_model, listening


async def asked(url: str) -> int:
    return await asyncio.to_thread(main, ["health", "--url", url])


async def test_a_worker_that_serves_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    async with listening([fake_model(FakeEngine())], token="a-secret-token") as worker:
        assert await asked(worker.url) == 0
        assert await asked(f"{worker.url}/v1") == 0
    assert "ready" in capsys.readouterr().out


@pytest.mark.parametrize(("state", "status"), [("sleeping", 0), ("loading", 1), ("failed", 1)])
async def test_a_worker_that_sleeps_is_well_and_one_that_loads_is_not(
    state: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"status": state, "reason": f"it is {state}"}, status=503)

    app = web.Application()
    app.router.add_get("/health", answer)
    async with TestServer(app) as server:
        assert await asked(str(server.make_url("/"))) == status
    told = capsys.readouterr()
    assert state in told.out + told.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "127.0.0.1:8000", "ftp://example.org"])
async def test_no_worker_is_not_well(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asked(url) == 1
    assert url.removesuffix("/v1") in capsys.readouterr().err

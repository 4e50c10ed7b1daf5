"""Who may call the routes of worker and trainer. They are taken from the applications' own routers, so that a route
nobody thought of here is held to it too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.metrics.server import serving_metrics
from model.adapter_folder import AdapterOptions
from model.engine.fake import FakeEngine
from model.fake_host import FakeHost
from model.server import admin
from model.server.admin import AdminAccess, add_routes
from model.server.administration import Administration
from model.server.app import build_app
from model.server.worker import Worker
from tests.model.worker.conftest import fake_model
from tests.training.serving.conftest import listening as trainer_listening

TOKEN, ADMIN_TOKEN = "for-clients-only", "for-operators-only"
OPEN = {"/health", "/openapi.json", "/metrics"}
WRONG = [
    *(None, "", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x"),
    *(f"Bearer {TOKEN.upper()}", f"Bearer {TOKEN}, Bearer {TOKEN}", f"Bearer {TOKEN} {TOKEN}"),
    *("Bearer ü", "Bearer none", "Bearer null", "Bearer " + "x" * 7000),
]


def routes_of(app: web.Application) -> Iterator[tuple[str, str]]:
    """Method and path of each route, with something in the place of what a path leaves open."""
    for route in app.router.routes():
        resource = route.resource
        assert resource is not None
        path = resource.canonical
        for name in ("name", "file", "job", "recipe", "member"):
            path = path.replace(f"{{{name}}}", "anything")
        assert "{" not in path, "a new variable in a path: give it a value here"
        if route.method != "HEAD":
            yield route.method, path


def worker_app(
    folder: Path, token: str | None, access: AdminAccess
) -> tuple[web.Application, Worker, FakeHost]:
    engine = FakeEngine()
    host = FakeHost(fake_model(engine), engine, AdapterOptions(folder))
    worker = Worker()
    app = build_app(worker, token=token)
    add_routes(app, Administration(worker, host), access)
    return app, worker, host


async def asked(
    http: aiohttp.ClientSession, method: str, url: str, authorization: str | None
) -> tuple[int, str]:
    headers = {} if authorization is None else {"Authorization": authorization}
    async with http.request(method, url, headers=headers, data=b"{}") as answer:
        return answer.status, await answer.text()


async def test_every_route_of_the_worker_wants_a_token_of_its_kind(tmp_path: Path) -> None:
    app, worker, host = worker_app(tmp_path, TOKEN, AdminAccess(ADMIN_TOKEN))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        await worker.open(host.first())
        seen = set()
        async with aiohttp.ClientSession() as http:
            for method, path in routes_of(app):
                seen.add(path)
                if path in OPEN - {"/metrics"}:
                    assert (await asked(http, method, url + path, None))[0] == 200
                    continue
                others = ADMIN_TOKEN if path not in admin.PATHS else TOKEN
                for wrong in (*WRONG, f"Bearer {others}"):
                    status, said = await asked(http, method, url + path, wrong)
                    assert status == 401, (path, wrong)
                    assert TOKEN not in said
                    assert ADMIN_TOKEN not in said
        assert seen >= admin.PATHS | {"/v1/chat/completions", "/tokenize", "/v1/models", "/metrics"}
        assert worker.state == "ready"
        assert worker.models
    finally:
        await runner.cleanup()
        await worker.close()


@pytest.mark.parametrize(
    "twist",
    [
        "/health/../v1/models",
        "//v1/models",
        "/v1/models/",
        "/V1/models",
        "/%76%31/models",
        "/health%2f..%2fv1/models",
        "/health;/v1/models",
        "/v1//models",
    ],
)
async def test_no_way_of_writing_a_path_gets_around_the_token(twist: str, tmp_path: Path) -> None:
    app, worker, host = worker_app(tmp_path, TOKEN, AdminAccess(ADMIN_TOKEN))
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        await worker.open(host.first())
        from yarl import URL

        url = URL(f"http://127.0.0.1:{runner.addresses[0][1]}{twist}", encoded=True)
        async with aiohttp.ClientSession() as http, http.get(url, allow_redirects=False) as answer:
            assert answer.status in {400, 401, 404}
            assert "fake" not in await answer.text()
    finally:
        await runner.cleanup()
        await worker.close()


async def test_every_route_of_the_trainer_wants_the_token(tmp_path: Path) -> None:
    async with (
        trainer_listening(tmp_path, trainer_token=TOKEN) as running,
        aiohttp.ClientSession() as http,
    ):
        seen = set()
        for method, path in routes_of(running.trainer.app):
            seen.add(path)
            if path in OPEN:
                continue
            for wrong in WRONG:
                status, said = await asked(http, method, running.url + path, wrong)
                assert status == 401, (path, wrong)
                assert TOKEN not in said
        assert len(seen) > 12
        assert running.trainer.service.jobs.all() == []


async def test_a_web_page_cannot_have_a_browser_call_a_trainer_that_asks_for_no_token(tmp_path: Path) -> None:
    """A page anywhere can have a browser on this machine send what needs no permission: forms, and JSON as text."""
    async with trainer_listening(tmp_path) as running, aiohttp.ClientSession() as http:
        headers = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
        for method, path in routes_of(running.trainer.app):
            if method == "GET":
                continue
            async with http.request(method, running.url + path, headers=headers, data=b"{}") as answer:
                assert answer.status == 403, path
                assert (await answer.json())["error"]["code"] == "origin_refused"
        assert await running.client.files.list()


async def test_the_bots_metrics_want_their_token() -> None:
    class Told:
        async def text(self, accept: str) -> tuple[bytes, str]:
            return b"figures 1\n", "text/plain"

    async with (
        serving_metrics(Told(), host="127.0.0.1", port=0, token=TOKEN) as url,
        aiohttp.ClientSession() as http,
    ):
        for wrong in WRONG:
            status, said = await asked(http, "GET", f"{url}/metrics", wrong)
            assert status == 401
            assert "figures" not in said
        assert (await asked(http, "GET", f"{url}/metrics", f"Bearer {TOKEN}"))[1] == "figures 1\n"

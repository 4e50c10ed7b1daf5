"""The OpenAPI document tells what the worker does: every route, and answers that are exactly what is sent."""

from __future__ import annotations

import json

import aiohttp
from aiohttp import web

from model.engine.fake import FakeEngine
from model.server import openapi
from model.server.admin import AdminAccess, add_routes
from model.server.administration import Administration
from model.server.app import build_app
from model.server.openapi_document import Error
from model.server.worker import Worker
from tests.model.worker.conftest import fake_model, listening

HELLO = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}


def routes() -> set[tuple[str, str]]:
    worker = Worker()
    app = build_app(worker)
    add_routes(app, Administration(worker), AdminAccess())
    return {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if route.method != "HEAD" and isinstance(route.resource, web.PlainResource | web.DynamicResource)
    }


def test_it_has_every_route_and_no_other() -> None:
    assert set(openapi.OPERATIONS) == routes()


def test_every_reference_leads_somewhere() -> None:
    document = openapi.document("1.2.3")
    text = json.dumps(document)
    schemas = document["components"]["schemas"]
    referred = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert referred == set(schemas)
    assert document["info"]["version"] == "1.2.3"


def test_a_request_without_messages_is_described_as_wrong() -> None:
    schema = openapi.document("1")["components"]["schemas"]["ChatCompletionRequest"]
    assert schema["required"] == ["messages"]
    assert schema["properties"]["temperature"]["anyOf"][0] == {"type": "number", "minimum": 0, "maximum": 2}


async def test_answers_are_exactly_as_described() -> None:
    async with (
        listening([fake_model(FakeEngine())], token="a-secret-token") as worker,
        aiohttp.ClientSession(worker.url, headers={"Authorization": "Bearer a-secret-token"}) as session,
    ):

        async def get(path: str) -> str:
            async with session.get(path) as response:
                return await response.text()

        async def post(path: str, body: object) -> str:
            async with session.post(path, json=body) as response:
                return await response.text()

        openapi.ModelList.model_validate_json(await get("/v1/models"))
        openapi.ModelCard.model_validate_json(await get("/v1/models/fake"))
        openapi.Health.model_validate_json(await get("/health"))
        openapi.Tokens.model_validate_json(await post("/tokenize", {"prompt": "Hello"}))
        openapi.ChatCompletion.model_validate_json(await post("/v1/chat/completions", HELLO))
        Error.model_validate_json(await post("/v1/chat/completions", {}))
        streamed = await post(
            "/v1/chat/completions", {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
        )
        *events, done = [line.removeprefix("data: ") for line in streamed.splitlines() if line]
        chunks = [openapi.ChatCompletionChunk.model_validate_json(event) for event in events]
        assert done == "[DONE]"
        assert chunks[-1].usage is not None


async def test_the_worker_hands_it_out_to_everyone() -> None:
    async with (
        listening([fake_model(FakeEngine())], token="a-secret-token") as worker,
        aiohttp.ClientSession(worker.url) as session,
        session.get("/openapi.json") as response,
    ):
        assert response.status == 200
        assert (await response.json())["openapi"] == "3.1.0"

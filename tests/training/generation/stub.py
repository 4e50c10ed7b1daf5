"""A server that speaks OpenAI's chat API and MediaWiki's, answers from the shipped chats, and counts.

In a thread of the test, or as a process of its own: `python -m tests.training.generation.stub --port 0`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from aiohttp import web

from model.lookup_tag import parse_reply
from training.chats import CHATS, PROPERTIES, Chat, read_chats, read_properties

Behaviour = Callable[[int, dict[str, Any]], web.Response | dict[str, Any] | None]


@dataclass
class Stub:
    """What it was asked, and how it answers.

    `behave` gets the number of a chat request, counted from 1, and its body; it may give a whole response, or
    fields that replace those of the completion's choice.
    """

    latency: float = 0.0
    wikipedia_latency: float = 0.0
    behave: Behaviour | None = None
    forms: tuple[str, ...] = ("json_schema", "json_object")
    """Response formats that it takes."""
    wikipedia: bool = True
    """Whether it finds pages; otherwise every look-up fails with a broken connection."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    lookups: list[str] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0

    @property
    def completions(self) -> int:
        """Chat requests that were answered."""
        return self._answered

    _answered: int = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_get("/{code}/w/api.php", self._wikipedia)
        app.router.add_get("/counts", self._counts)
        return app

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        number = len(self.bodies)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.under_way -= 1
        wanted = body.get("response_format", {}).get("type", "text")
        if wanted != "text" and wanted not in self.forms:
            return refusal(400, f"'response_format' of type {wanted} is not served here")
        special = self.behave(number, body) if self.behave is not None else None
        if isinstance(special, web.Response):
            return special
        self._answered += 1
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": reply_to(body)},
            "finish_reason": "stop",
        }
        if special:
            choice = {**choice, **special}
        usage = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
        return web.json_response(
            {
                "id": f"chatcmpl-{number}",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [choice],
                "usage": usage,
            }
        )

    async def _wikipedia(self, request: web.Request) -> web.Response:
        code, term = request.match_info["code"], request.query.get("gsrsearch") or request.query["search"]
        self.lookups.append(f"{code}:{term}")
        await asyncio.sleep(self.wikipedia_latency)
        if not self.wikipedia:
            assert request.transport is not None
            request.transport.abort()
        page = {
            "title": term,
            "ns": 0,
            "index": 1,
            "pageid": 7,
            "extract": sample(code, len(term)).background[0].text,
            "fullurl": f"https://{code}.wikipedia.org/wiki/{term}",
            "lastrevid": 42,
        }
        return web.json_response({"query": {"pages": [page]}})

    async def _counts(self, request: web.Request) -> web.Response:
        return web.json_response({"chat": len(self.bodies), "wikipedia": len(self.lookups)})


def refusal(status: int, message: str, code: str | None = None, **headers: str) -> web.Response:
    """An error as OpenAI's API sends it."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response({"error": error}, status=status, headers=named)


def reply_to(body: dict[str, Any]) -> str:
    """A reply of the form that the request asks for, from the shipped chats of its language."""
    texts = [message["content"] for message in body["messages"]]
    system = texts[0]
    found = re.findall(r"Language of this conversation: .+ \((..)\)", system)
    code = found[-1] if found else "en"
    seed = sum(map(len, texts)) + sum(map(ord, "".join(texts)[-400:]))
    work = next(iter(re.findall(r"«([^»]+)»", " ".join(texts))), "Kalevala")
    wanted = body.get("response_format", {})
    if wanted.get("type") == "json_schema":
        return json.dumps(_fields(wanted["json_schema"]["schema"], code, seed, work), ensure_ascii=False)
    if wanted.get("type") == "json_object":
        schema = json.loads(system.split("JSON schema:\n")[1].split("\n\n")[0])
        return "```json\n" + json.dumps(_fields(schema, code, seed, work), ensure_ascii=False) + "\n```"
    return _plain(system, texts[-1], code, seed, work)


def _fields(schema: dict[str, Any], code: str, seed: int, work: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for number, name in enumerate(schema["properties"]):
        if name == "properties":
            fields[name] = [each.model_dump() for each in read_properties(PROPERTIES / f"{code}.json")]
        elif name.startswith("question"):
            fields[name] = question(code, seed + number)
        elif name == "search_term":
            fields[name] = work
        elif name == "title":
            fields[name] = "Something else"
        elif name == "text":
            fields[name] = sample(code, seed).background[0].text
        else:
            fields[name] = answer(code, seed)
    return fields


def _plain(system: str, last: str, code: str, seed: int, work: str) -> str:
    if "numbered list" in system:
        count = len(re.findall(r"^\d+\. A fan who", last, re.MULTILINE))
        return "\n".join(f"{n}. {question(code, seed + n)}" for n in range(1, count + 1))
    if "title on the first line" in system:
        return f"Something else\n{sample(code, seed).background[0].text}"
    if "\n>>> " in system:
        return f"{answer(code, seed)}\n\n>>> {work}\n>>> {code}"
    if "message alone" in system:
        return question(code, seed)
    return answer(code, seed)


@cache
def _chats(code: str) -> list[Chat]:
    return read_chats(CHATS / f"{code}.jsonl")


def sample(code: str, seed: int) -> Chat:
    chats = [chat for chat in _chats(code) if chat.background]
    return chats[seed % len(chats)]


def question(code: str, seed: int) -> str:
    text = sample(code, seed).messages[0].content.replace("\n", " ")
    # So that no two are the same, whatever their numbers.
    return f"{text} ({seed})"


def answer(code: str, seed: int) -> str:
    return parse_reply(sample(code, seed).messages[1].content, code).text


@dataclass
class Running:
    """A stub that listens."""

    stub: Stub
    url: str

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead to it."""
        return {
            "OPENAI_BASE_URL": self.base_url,
            "OPENAI_API_KEY": "test",
            "WIKIPEDIA_URL": f"{self.url}/{{code}}/w/api.php",
            "WIKIPEDIA_USER_AGENT": "tests",
        }


@contextmanager
def running(stub: Stub) -> Iterator[Running]:
    """The stub on loopback, in a thread of its own, until the block ends."""
    with serving(stub.app()) as url:
        yield Running(stub, url)


@contextmanager
def serving(app: web.Application) -> Iterator[str]:
    """An application on loopback, in a thread of its own, until the block ends; gives its address."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)

    async def start() -> str:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    thread = threading.Thread(target=loop.run_forever, name="stub", daemon=True)
    thread.start()

    def run(work: Callable[[], Awaitable[Any]]) -> Any:
        return asyncio.run_coroutine_threadsafe(_awaited(work), loop).result(20)

    try:
        yield run(start)
    finally:
        run(runner.cleanup)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


async def _awaited(work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()


def per_stage(stub: Stub) -> Counter[str]:
    """Chat requests by the stage that their schema names."""
    return Counter(body["response_format"]["json_schema"]["name"] for body in stub.bodies)


def main() -> None:
    """Serve until killed; the address is printed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--wikipedia-latency", type=float, default=0.1)
    options = parser.parse_args()
    stub = Stub(options.latency, options.wikipedia_latency)
    with running(stub) as server:
        print(server.url, flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()

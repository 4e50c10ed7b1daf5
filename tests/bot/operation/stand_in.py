"""A trainer for tests, by real HTTP: it answers as the trainer's API does and keeps what it was asked. Its jobs go on
when a test says so. What the real one makes of the same requests is `test_circle`'s business."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


def png(shade: int = 40) -> bytes:
    """A small, real picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes([shade] * 8 * 3) for _ in range(8))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def rate(value: float) -> dict[str, float]:
    return {"value": value, "low": value, "high": value, "answers": 6}


def report(
    new: float = 0.9, in_use: float | None = 0.8, *, loss: float = 2.0, loss_in_use: float = 2.5
) -> dict[str, Any]:
    """A `report.json`: shares of answers in the right language, and held-out losses."""
    systems = {"base": (0.5, 3.5), "tuned": (new, loss)}
    if in_use is not None:
        systems["compared"] = (in_use, loss_in_use)
    return {
        "about": {},
        "notes": [],
        "answers": {
            name: {
                "overall": {"in_language": rate(share), "no_loop": rate(1.0), "tag_recall": None},
                "languages": {code: {"in_language": rate(share)} for code in ("en", "de")},
            }
            for name, (share, _) in systems.items()
        },
        "held_out": {
            name: {"overall": {"loss": lost}, "languages": {code: {"loss": lost} for code in ("en", "de")}}
            for name, (_, lost) in systems.items()
        },
    }


WORST = [
    {
        "language": "de",
        "chat": f"de-{n}",
        "question": f"Frage {n}",
        "reference": "So wäre es gut.",
        "answer": f"Bad answer {n}.",
        "base_answer": "Worse answer.",
        "why": "it is not in German",
    }
    for n in range(3)
]


@dataclass
class StandIn:
    """The trainer's state, for tests to look at and to change."""

    url: str = ""
    recipes: list[dict[str, Any]] = field(default_factory=list)
    datasets: list[dict[str, Any]] = field(default_factory=list)
    adapters: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    estimates: list[dict[str, str]] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    forms: list[dict[str, Any]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    curves_asked: int = 0
    away: bool = False
    refusal: str | None = None
    lines_refused: dict[int, str] = field(default_factory=dict)

    def add_file(self, name: str, content: bytes) -> str:
        """A result file."""
        file_id = f"file-{len(self.files) + 1}"
        self.files[file_id] = {"filename": name, "content": content}
        return file_id

    def go_on(self, job_id: str, step: int, steps: int = 100, stage: str = "training") -> None:
        """A job's next steps."""
        self.jobs[job_id] |= {
            "status": "running",
            "progress": {
                "stage": stage,
                "step": step,
                "steps": steps,
                "loss": 3.0 - step / 100,
                "held_out_loss": None,
                "tokens_per_second": 1234.0,
                "seconds_left": 90.0,
            },
        }

    def succeed(self, job_id: str, found: dict[str, Any] | None = None, path: str = "/adapters/new") -> str:
        """The end of a job, with its report; returns the adapter's name."""
        name = str(self.jobs[job_id]["suffix"])
        results = {
            "report.json": json.dumps(found or report()).encode(),
            "worst.json": json.dumps(WORST).encode(),
            "heatmap-dark.png": png(90),
            "loss-dark.png": png(60),
        }
        ids = [self.add_file(file, content) for file, content in results.items()]
        self.jobs[job_id] |= {
            "status": "succeeded",
            "finished_at": 1_800_000_100,
            "fine_tuned_model": name,
            "adapter": {"name": name, "path": path},
            "result_files": ids,
        }
        figures = (found or report())["answers"]["tuned"]["overall"]["in_language"]["value"]
        loss = (found or report())["held_out"]["tuned"]["overall"]["loss"]
        self.adapters.append(adapter(name, path, loss=loss, match=figures, files=ids))
        return name


def adapter(
    name: str,
    path: str,
    *,
    loss: float | None = None,
    match: float | None = None,
    files: list[str] | None = None,
    base: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """An adapter as the API has it."""
    return {
        "id": name,
        "object": "adapter",
        "path": path,
        "preset": "fake",
        "recipe": "toy",
        "job": None,
        "created_at": 1_800_000_000,
        "lineage": "fake",
        "held_out_loss": loss,
        "language_match": match,
        "base": None,
        "base_held_out_loss": base[0] if base else None,
        "base_language_match": base[1] if base else None,
        "result_files": files or [],
    }


def _error(status: int, message: str, param: str | None = None) -> web.Response:
    body = {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}
    return web.json_response(body, status=status)


def build(state: StandIn) -> web.Application:
    @web.middleware
    async def guard(request: web.Request, handler: Any) -> web.StreamResponse:
        if state.away:
            assert request.transport is not None
            request.transport.abort()
            raise web.HTTPServiceUnavailable
        response: web.StreamResponse = await handler(request)
        return response

    def listed(rows: list[dict[str, Any]]) -> web.Response:
        return web.json_response({"object": "list", "data": rows, "has_more": False})

    async def recipes(_: web.Request) -> web.Response:
        return listed(state.recipes)

    async def datasets(_: web.Request) -> web.Response:
        return listed(state.datasets)

    async def adapters(_: web.Request) -> web.Response:
        return listed(state.adapters)

    async def estimate(request: web.Request) -> web.Response:
        known = {row["id"]: row["rows"] for row in state.datasets}
        if request.query["dataset"] not in known:
            return _error(404, f"There is no dataset {request.query['dataset']!r} here.", "dataset")
        state.estimates.append(dict(request.query))
        rows = known[request.query.get("rated") or request.query["dataset"]]
        return web.json_response({"rows": rows, "tokens": rows * 100, "steps": 100, "seconds": 120.0})

    async def create(request: web.Request) -> web.Response:
        body = await request.json()
        if state.refusal is not None:
            return _error(400, state.refusal, "training_file")
        state.orders.append(body)
        job_id = f"ftjob-{len(state.jobs) + 1}"
        state.jobs[job_id] = {
            "id": job_id,
            "object": "fine_tuning.job",
            "created_at": 1_800_000_000,
            "finished_at": None,
            "error": None,
            "fine_tuned_model": None,
            "suffix": body["suffix"],
            "hyperparameters": {},
            "model": body["model"],
            "organization_id": "x",
            "result_files": [],
            "seed": 0,
            "status": "queued",
            "trained_tokens": None,
            "training_file": body["training_file"],
            "validation_file": None,
            "metadata": body["metadata"],
            "progress": None,
            "adapter": None,
        }
        return web.json_response(state.jobs[job_id])

    def job_of(request: web.Request) -> dict[str, Any]:
        job = state.jobs.get(request.match_info["job"])
        if job is None:
            raise web.HTTPNotFound
        return job

    async def job(request: web.Request) -> web.Response:
        return web.json_response(job_of(request))

    async def jobs(_: web.Request) -> web.Response:
        return listed(list(reversed(state.jobs.values())))

    async def cancel(request: web.Request) -> web.Response:
        found = job_of(request)
        found |= {"status": "cancelled", "finished_at": 1_800_000_050}
        return web.json_response(found)

    async def curves(request: web.Request) -> web.Response:
        job_of(request)
        assert request.query["theme"] == "dark"
        state.curves_asked += 1
        return web.Response(body=png(state.curves_asked % 200), content_type="image/png")

    async def file(request: web.Request) -> web.Response:
        found = state.files.get(request.match_info["file"])
        if found is None:
            return _error(404, "There is no such file here.", "id")
        card = {
            "id": request.match_info["file"],
            "object": "file",
            "bytes": len(found["content"]),
            "created_at": 1,
            "filename": found["filename"],
            "purpose": "fine-tune-results",
            "status": "processed",
        }
        return web.json_response(card)

    async def content(request: web.Request) -> web.Response:
        found = state.files.get(request.match_info["file"])
        return web.Response(body=found["content"]) if found else _error(404, "gone")

    async def upload(request: web.Request) -> web.Response:
        form = await request.post()
        sent = form["file"]
        assert isinstance(sent, web.FileField)
        lines = sent.file.read().splitlines()
        state.forms.append(
            {
                "purpose": form["purpose"],
                "kind": form["kind"],
                "members": json.loads(str(form["members"])),
                "rows": [json.loads(line) for line in lines],
            }
        )
        bad = {number: why for number, why in state.lines_refused.items() if number <= len(lines)}
        if bad and form.get("on_bad_rows") != "drop":
            return _error(400, "\n".join(f"line {number}: {why}" for number, why in bad.items()), "file")
        kept = [line for number, line in enumerate(lines, 1) if number not in bad]
        file_id = state.add_file(sent.filename, b"\n".join(kept))
        state.datasets.append(
            {
                "id": file_id,
                "name": sent.filename,
                "rows": len(kept),
                "languages": ["en"],
                "kind": form["kind"],
            }
        )
        card = {
            "id": file_id,
            "object": "file",
            "bytes": 1,
            "created_at": 1,
            "filename": sent.filename,
            "purpose": "fine-tune",
            "status": "processed",
            "rows": len(kept),
            "dropped": len(bad),
            "dropped_rows": [{"line": number, "reason": why} for number, why in bad.items()],
        }
        return web.json_response(card)

    async def forget(request: web.Request) -> web.Response:
        state.forgotten.append(request.match_info["member"])
        return web.json_response({"removed": 1})

    app = web.Application(middlewares=[guard])
    base = "/v1/fine_tuning/jobs"
    app.router.add_get("/v1/recipes", recipes)
    app.router.add_get("/v1/recipes/{recipe}/estimate", estimate)
    app.router.add_get("/v1/datasets", datasets)
    app.router.add_get("/v1/adapters", adapters)
    app.router.add_post(base, create)
    app.router.add_get(base, jobs)
    app.router.add_get(base + "/{job}", job)
    app.router.add_post(base + "/{job}/cancel", cancel)
    app.router.add_get(base + "/{job}/loss.png", curves)
    app.router.add_post("/v1/files", upload)
    app.router.add_get("/v1/files/{file}", file)
    app.router.add_get("/v1/files/{file}/content", content)
    app.router.add_post("/v1/members/{member}/forget", forget)
    return app


@asynccontextmanager
async def trainer() -> AsyncIterator[StandIn]:
    """The stand-in, listening on loopback, with a recipe and a dataset."""
    state = StandIn(
        recipes=[
            {
                "id": "toy",
                "object": "recipe",
                "description": "small",
                "preset": "fake",
                "base": "fake-base",
                "lineage": "fake",
                "runnable": True,
                "reason": None,
            },
            {
                "id": "huge",
                "object": "recipe",
                "description": "large",
                "preset": "huge",
                "runnable": False,
                "reason": "it needs 24 GB of GPU memory",
            },
        ],
        datasets=[
            {
                "id": "shipped",
                "object": "dataset",
                "name": "FanFabler's own chats",
                "rows": 400,
                "languages": ["en"],
                "kind": "chats",
            }
        ],
    )
    runner = web.AppRunner(build(state))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    state.url = f"http://{host}:{port}/v1"
    try:
        yield state
    finally:
        await runner.cleanup()

"""The trainer's aiohttp application: its routes, and who may call them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web
from aiohttp.hdrs import ACCEPT

from model.server.authentication import require_token
from model.server.body import read_body
from model.server.errors import ApiError
from model.server.request_log import METRICS, NOTES, Handler, log_requests
from model.server.threads import in_thread
from model.version import fanfabler_version
from training.errors import TrainingError
from training.finetuning.curves import loss_figure
from training.plots import png, style
from training.serving import openapi
from training.serving.errors import BadRequest, NotFound
from training.serving.files import StoredFile
from training.serving.following import training_of
from training.serving.jobs import SHIPPED, Job, JobFolder
from training.serving.memory import WorkerMemory
from training.serving.metrics import TrainerMetrics
from training.serving.protocol import CreateJob, checkpoints_for_client, job_for_client, page
from training.serving.rows import MOST_REASONS
from training.serving.service import Service
from training.serving.uploads import receive

SERVICE: web.AppKey[Service] = web.AppKey("service", Service)
MEMORY: web.AppKey[WorkerMemory] = web.AppKey("memory", WorkerMemory)
DRAWING: web.AppKey[asyncio.Lock] = web.AppKey("drawing", asyncio.Lock)
"""One at a time: matplotlib's styles are the whole process's."""
MAX_FILE: web.AppKey[int] = web.AppKey("max_file", int)
MAX_BODY = 1024 * 1024
_MOST_LISTED = 1000
_ESTIMATED = ("languages", "samples", "start_adapter", "compare_with")
"""What an estimate is told beside dataset, rated answers and method, as a job's metadata has it."""


def build_app(
    service: Service, memory: WorkerMemory, *, token: str | None, max_file: int, open_metrics: bool = False
) -> web.Application:
    """The trainer's application. With a `token`, every route wants it as a bearer token, but for `/health`,
    `/openapi.json` and, with `open_metrics`, `/metrics`. `max_file`: bytes of an uploaded file."""
    unguarded = {"/health", "/openapi.json"} | ({"/metrics"} if open_metrics else set())
    app = web.Application(
        middlewares=[log_requests, require_token(token, unguarded), _in_our_words], client_max_size=MAX_BODY
    )
    app[SERVICE], app[MEMORY], app[MAX_FILE] = service, memory, max_file
    app[DRAWING] = asyncio.Lock()
    app[METRICS] = TrainerMetrics(service.jobs, memory)
    jobs = "/v1/fine_tuning/jobs"
    routes: list[tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]] = [
        ("POST", "/v1/files", _upload),
        ("GET", "/v1/files", _files),
        ("GET", "/v1/files/{file}", _file),
        ("GET", "/v1/files/{file}/content", _content),
        ("DELETE", "/v1/files/{file}", _delete),
        ("GET", "/v1/recipes", _recipes),
        ("GET", "/v1/recipes/{recipe}/estimate", _estimate),
        ("GET", "/v1/datasets", _datasets),
        ("GET", "/v1/adapters", _adapters),
        ("POST", "/v1/members/{member}/forget", _forget),
        ("POST", jobs, _create),
        ("GET", jobs, _jobs),
        ("GET", f"{jobs}/{{job}}", _job),
        ("GET", f"{jobs}/{{job}}/events", _events),
        ("GET", f"{jobs}/{{job}}/checkpoints", _checkpoints),
        ("GET", f"{jobs}/{{job}}/loss.png", _curves),
        ("POST", f"{jobs}/{{job}}/cancel", _cancel),
        ("GET", "/health", _health),
        ("GET", "/metrics", _metrics),
        ("GET", "/openapi.json", _openapi),
    ]
    for method, path, handler in routes:
        app.router.add_route(method, path, handler)
    return app


@web.middleware
async def _in_our_words(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Our own refusals in OpenAI's shape."""
    try:
        return await handler(request)
    except BadRequest as error:
        raise ApiError(error.status, str(error), param=error.param, code=error.code) from error
    except TrainingError as error:
        raise ApiError(400, str(error), code="invalid_value") from error
    except OSError as error:
        if isinstance(error, ConnectionError):
            raise
        said = f"The trainer's disk would not do it: {os.strerror(error.errno or 0)}."
        raise ApiError(507, said, kind="server_error", code="storage_failed") from error


async def _upload(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    incoming = service.files.incoming()
    try:
        upload, fields = await receive(request, incoming, request.app[MAX_FILE])
        drop = _choice(fields, "on_bad_rows", ("refuse", "drop")) == "drop"
        checked = _choice(fields, "checks", ("all", "form")) == "all"
        rows = await in_thread(partial(service.read, upload, checked=checked))
        bad = list(rows.bad)
        file = await in_thread(partial(service.take, upload, rows, drop=drop))
    finally:
        incoming.unlink(missing_ok=True)
    request[NOTES].details |= {"file": file.id, "rows": file.rows, "bad": len(bad)}
    shown = [{"line": row.line, "reason": row.reason} for row in bad[:MOST_REASONS]]
    return web.json_response(file.for_client() | {"dropped": len(bad), "dropped_rows": shown})


def _choice(fields: dict[str, str], name: str, choices: tuple[str, ...]) -> str:
    """A form's field that has one of some values, the first where it is not given."""
    value = fields.get(name, choices[0])
    if value not in choices:
        raise BadRequest(f"{name} is one of {', '.join(choices)}.", param=name)
    return value


async def _files(request: web.Request) -> web.Response:
    purpose = request.query.get("purpose")
    found = [
        file.for_client() for file in request.app[SERVICE].files.all() if purpose in {None, file.purpose}
    ]
    return _page(request, found, default=_MOST_LISTED)


def _found(request: web.Request) -> StoredFile:
    return request.app[SERVICE].files.get(request.match_info["file"])


async def _file(request: web.Request) -> web.Response:
    return web.json_response(_found(request).for_client())


async def _content(request: web.Request) -> web.StreamResponse:
    file = _found(request)
    path = request.app[SERVICE].files.path(file)
    if not path.is_file():
        raise NotFound(f"The content of {file.id} is gone.", param="id")
    name = file.filename.encode("ascii", "replace").decode().replace('"', "'")
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return web.FileResponse(path, headers=headers)


async def _delete(request: web.Request) -> web.Response:
    file = _found(request)
    request.app[SERVICE].delete(file)
    return web.json_response({"id": file.id, "object": "file", "deleted": True})


async def _recipes(request: web.Request) -> web.Response:
    recipes = request.app[SERVICE].recipes
    found = []
    for offered in recipes.all():
        reason = await in_thread(partial(recipes.obstacle, offered))
        found.append(
            {
                "id": offered.id,
                "object": "recipe",
                "description": offered.recipe.description,
                "preset": offered.preset.name,
                "base": offered.preset.base.name,
                "lineage": offered.family,
                "runnable": reason is None,
                "reason": reason,
            }
        )
    return web.json_response({"object": "list", "data": found})


async def _estimate(request: web.Request) -> web.Response:
    service, query = request.app[SERVICE], request.query
    rated = query.get("rated")
    method = query.get("method", "kto" if rated else "sft")
    if method not in {"sft", "kto"} or (method == "kto" and not rated):
        raise BadRequest("method is sft, or kto with a dataset of rated answers in rated.", param="method")
    wanted = {name: query[name] for name in _ESTIMATED if query.get(name)}
    wanted |= {"method": method, **({"rated_file": rated} if rated else {})}
    estimate = partial(service.estimate, request.match_info["recipe"], query.get("dataset", SHIPPED), wanted)
    return web.json_response(await in_thread(estimate))


async def _datasets(request: web.Request) -> web.Response:
    found = await in_thread(request.app[SERVICE].datasets)
    return web.json_response({"object": "list", "data": [dataset.for_client() for dataset in found]})


async def _adapters(request: web.Request) -> web.Response:
    found = await in_thread(request.app[SERVICE].adapters)
    return web.json_response({"object": "list", "data": [adapter.for_client() for adapter in found]})


async def _forget(request: web.Request) -> web.Response:
    removed = await request.app[SERVICE].forget(request.match_info["member"])
    request[NOTES].details |= {"removed": removed}
    return web.json_response({"object": "member.forgotten", "removed": removed})


async def _create(request: web.Request) -> web.Response:
    service = request.app[SERVICE]
    asked = await read_body(request, CreateJob)
    job = service.queue(await in_thread(partial(service.prepare, asked)))
    request[NOTES].details |= {"job": job.id, "recipe": job.recipe_id}
    return _shown(request, job)


def _asked(request: web.Request) -> tuple[Job, JobFolder]:
    jobs = request.app[SERVICE].jobs
    job = jobs.get(request.match_info["job"])
    return job, jobs.folder(job)


def _shown(request: web.Request, job: Job) -> web.Response:
    return web.json_response(job_for_client(job, request.app[SERVICE].jobs.folder(job)))


async def _jobs(request: web.Request) -> web.Response:
    jobs = request.app[SERVICE].jobs
    return _page(request, [job_for_client(job, jobs.folder(job)) for job in jobs.all()])


async def _job(request: web.Request) -> web.Response:
    return _shown(request, _asked(request)[0])


async def _events(request: web.Request) -> web.Response:
    """The newest first, as OpenAI has it; `order=asc` begins with the oldest, for whoever follows them."""
    job, _ = _asked(request)
    found = [
        {name: value for name, value in event.items() if name != "at"}
        for event in request.app[SERVICE].jobs.events(job)
    ]
    return _page(request, found if request.query.get("order") == "asc" else found[::-1])


async def _checkpoints(request: web.Request) -> web.Response:
    return _page(request, checkpoints_for_client(*_asked(request)), default=10)


async def _curves(request: web.Request) -> web.Response:
    job, folder = _asked(request)
    dark = request.query.get("theme") == "dark"

    events = training_of(folder).events
    if not any(event["event"] == "step" for event in events):
        raise NotFound("There is nothing to draw yet: the job has made no step.")

    def draw() -> bytes:
        with style(dark=dark):
            figure = loss_figure(events, job.name, dark=dark)
        return png(figure, dark=dark)

    async with request.app[DRAWING]:
        return web.Response(body=await in_thread(draw), content_type="image/png")


async def _cancel(request: web.Request) -> web.Response:
    job, _ = _asked(request)
    return _shown(request, request.app[SERVICE].runner.cancel(job))


async def _health(request: web.Request) -> web.Response:
    jobs = request.app[SERVICE].jobs
    running = jobs.running()
    body = {
        "ready": True,
        "status": "ready",
        "running": running.id if running else None,
        "queued": len(jobs.queued()),
        "worker_asleep": request.app[MEMORY].taken,
    }
    return web.json_response(body)


async def _metrics(request: web.Request) -> web.Response:
    body, content_type = request.app[METRICS].exposition(request.headers.get(ACCEPT, ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def _openapi(request: web.Request) -> web.Response:
    return web.json_response(openapi.document(fanfabler_version()))


def _page(request: web.Request, items: list[dict[str, object]], default: int = 20) -> web.Response:
    """A page of a list by `after` and `limit`."""
    try:
        limit = int(request.query.get("limit", str(default)))
    except ValueError:
        limit = 0
    if not 1 <= limit <= 10_000:
        raise BadRequest("limit is a number from 1 to 10000.", param="limit")
    return web.json_response(page(items, request.query.get("after"), min(limit, _MOST_LISTED)))

"""The worker's process: listen, load, serve, and stop in order.

The port is bound before the model is loaded, so that a taken port is known at once and `/health` can say
"loading". On SIGTERM or SIGINT new requests get a 503 while the running answers have a time of grace; what is
left then is handed back, and the status is 0. It is 1 where the engine fails, so that a supervisor starts it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from model.server.admin import AdminAccess, add_routes
from model.server.administration import Administration
from model.server.app import build_app
from model.server.process import IDLE_SECONDS, check_address, is_loopback, listen, stop_signals, stopped
from model.server.source import ModelSource
from model.server.threads import in_thread
from model.server.worker import Worker

log = logging.getLogger("model.server")

_CLOSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where to listen and how to stop."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free one."""
    token: str | None = field(default=None, repr=False)
    admin_token: str | None = field(default=None, repr=False)
    """For adapters and sleep."""
    grace: float = 10.0
    """Seconds that running answers have to end after a stop signal."""
    parent: int | None = None
    """The number of the process that started this one, where it is to stop once that is gone."""


async def serve(
    load: Callable[[], ModelSource], options: ServeOptions, announce: Callable[[str], None]
) -> int:
    """Run a worker until it is told to stop, and return the exit status.

    `load` runs in a thread of its own and may take its time; `announce` gets the address once all is ready.
    Raises `CannotRun` where the port cannot be had, and whatever `load` raises.
    """
    check_address(options.host, options.token)
    worker = Worker()
    administration = Administration(worker)
    loopback = is_loopback(options.host)
    access = AdminAccess(options.admin_token, open=loopback and options.token is None)
    app = build_app(worker, token=options.token, open_metrics=loopback)
    add_routes(app, administration, access)
    runner = web.AppRunner(
        app,
        handler_cancellation=True,
        access_log=None,
        keepalive_timeout=IDLE_SECONDS,
        shutdown_timeout=_CLOSE_SECONDS,
        auto_decompress=False,
    )
    await runner.setup()
    with stop_signals() as stop:
        stopping = asyncio.create_task(stopped(stop, options.parent))
        try:
            address = await listen(runner, options.host, options.port)
            return await _serve_until(stopping, load, administration, worker, lambda: announce(address))
        finally:
            stopping.cancel()
            if handed_back := await worker.stop(options.grace):
                log.info("handed back %d answers", handed_back)
            await runner.cleanup()
            await worker.close()


async def _serve_until(
    stopping: asyncio.Task[None],
    load: Callable[[], ModelSource],
    administration: Administration,
    worker: Worker,
    announce: Callable[[], None],
) -> int:
    """Load, serve, and return the exit status once it is told to stop or fails."""

    async def get_ready() -> None:
        source = await in_thread(load)
        await worker.open(await in_thread(source.first))
        administration.source = source

    loading = asyncio.create_task(get_ready())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not loading.done():
        log.info("stopped while loading")
        loading.cancel()
        await asyncio.wait({loading})
        return 0
    loading.result()
    announce()
    failing = asyncio.create_task(worker.failed())
    await asyncio.wait({failing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if failing.done():
        log.error("the engine has failed: %s", worker.reason)
        return 1
    failing.cancel()
    log.info("stopping; %d answers are under way", len(worker.answers))
    return 0

"""The worker's process: listen, load, serve, and stop in order.

The port is bound before the model is loaded, so that a taken port is known at once and `/health` can say
"loading". Stops on SIGTERM and SIGINT; ends with 1 where the engine fails, so that a supervisor starts it
again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from aiohttp import web

from model.engine.errors import CannotRun
from model.server.app import build_app
from model.server.worker import ServedModel, Worker

log = logging.getLogger("model.server")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """Where to listen and how to stop."""

    host: str = "127.0.0.1"
    port: int = 8000
    """0 takes a free one."""
    token: str | None = None
    grace: float = 10.0
    """Seconds that running answers have to end after a stop signal."""
    with_parent: bool = False
    """Stop when the process that started this one is gone."""


def check_address(host: str, token: str | None) -> None:
    """Raises `CannotRun` for an address that others can reach where there is no token to keep them out."""
    if token is None and not _is_loopback(host):
        raise CannotRun(
            f"Listening on {host} lets others in: set WORKER_TOKEN first, or listen on 127.0.0.1."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


async def serve(
    load: Callable[[], Sequence[ServedModel]], options: ServeOptions, announce: Callable[[str], None]
) -> int:
    """Run a worker until it is told to stop, and return the exit status.

    `load` runs in a thread of its own and may take its time; `announce` gets the address once all is ready.
    Raises `CannotRun` where the port cannot be had, and whatever `load` raises.
    """
    check_address(options.host, options.token)
    worker = Worker()
    runner = web.AppRunner(
        build_app(worker, token=options.token),
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=options.grace,
    )
    await runner.setup()
    with _stop_signals() as stop:
        stopping = asyncio.create_task(_stopped(stop, with_parent=options.with_parent))
        try:
            address = await _listen(runner, options)
            return await _serve_until(stopping, load, worker, lambda: announce(address))
        finally:
            stopping.cancel()
            if worker.state != "failed":
                worker.state, worker.reason = "stopping", "The worker is stopping."
            await runner.cleanup()
            await worker.close()


async def _serve_until(
    stopping: asyncio.Task[None],
    load: Callable[[], Sequence[ServedModel]],
    worker: Worker,
    announce: Callable[[], None],
) -> int:
    """Load, serve, and return the exit status once it is told to stop or fails."""
    loading = asyncio.create_task(_in_thread(load))
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not loading.done():
        log.info("stopped while loading")
        loading.cancel()
        return 0
    await worker.open(loading.result())
    announce()
    failing = asyncio.create_task(worker.failed())
    await asyncio.wait({failing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if failing.done():
        log.error("the engine has failed: %s", worker.reason)
        return 1
    failing.cancel()
    log.info("stopping; %d answers are running", worker.load.running)
    return 0


async def _listen(runner: web.AppRunner, options: ServeOptions) -> str:
    site = web.TCPSite(runner, options.host, options.port)
    try:
        await site.start()
    except OSError as error:
        raise CannotRun(
            f"Port {options.port} on {options.host} cannot be had ({os.strerror(error.errno or 0)}): "
            "choose another with --port, or 0 for a free one."
        ) from error
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _stop_signals() -> Iterator[asyncio.Event]:
    """An event that the first SIGTERM or SIGINT sets; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    for signum in (signal.SIGTERM, signal.SIGINT):
        # Windows' loops know no signal handlers; there Ctrl-C ends the process as KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(signum, on_signal)
    try:
        yield stop
    finally:
        for signum in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(signum)


async def _stopped(stop: asyncio.Event, *, with_parent: bool) -> None:
    parent = os.getppid()
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0 if with_parent else None)
        if with_parent and os.getppid() != parent:
            log.info("the process that started this worker is gone")
            return


async def _in_thread(load: Callable[[], Sequence[ServedModel]]) -> Sequence[ServedModel]:
    """Run `load` in a daemon thread, so that a stop need not wait for it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Sequence[ServedModel]] = loop.create_future()

    def settle(result: Sequence[ServedModel] | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result or ())

    def run() -> None:
        result, failure = None, None
        try:
            result = load()
        except BaseException as error:  # handed on to whoever waits
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="loading", daemon=True).start()
    return await done


def leave(status: int) -> None:
    """End the process. Threads of a library that is still loading are not waited for."""
    sys.stdout.flush()
    sys.stderr.flush()
    logging.shutdown()
    os._exit(status)

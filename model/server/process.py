"""What every server of ours does around its application: where it listens, when it stops, how it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import sys
from collections.abc import Iterator

from aiohttp import web

from model.engine.errors import CannotRun
from model.with_parent import is_gone

log = logging.getLogger("model.server")

IDLE_SECONDS = 75.0
"""How long a connection may stay open without a whole request line and its headers."""


def check_address(host: str, token: str | None, setting: str = "WORKER_TOKEN") -> None:
    """Raises `CannotRun` for an address that others can reach where there is no token to keep them out.

    `setting` is the name of the one that gives the token.
    """
    if token is None and not is_loopback(host):
        raise CannotRun(f"Listening on {host} lets others in: set {setting} first, or listen on 127.0.0.1.")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


async def listen(runner: web.AppRunner, host: str, port: int) -> str:
    """Take the port, and give the address. Raises `CannotRun` where it cannot be had."""
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as error:
        raise CannotRun(
            f"Port {port} on {host} cannot be had ({os.strerror(error.errno or 0)}): "
            "choose another with --port, or 0 for a free one."
        ) from error
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that the first SIGTERM or SIGINT sets; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(signum) for signum in signals]
    for signum in signals:
        # Windows' loops know no signal handlers; there Ctrl-C ends the process as KeyboardInterrupt.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(signum, on_signal)
    try:
        yield stop
    finally:
        for signum, handler in zip(signals, before, strict=True):
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(signum)
                signal.signal(signum, handler)


async def stopped(stop: asyncio.Event, parent: int | None) -> None:
    """Until the event is set or the process that started this one, where its number is given, is gone."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1.0 if parent is not None else None)
        if parent is not None and is_gone(parent):
            log.info("the process that started this server is gone")
            return


def leave(status: int) -> None:
    """End the process. Threads of a library that is still loading are not waited for."""
    if sys.stderr.isatty():  # a progress bar that was cut short has hidden the cursor
        sys.stderr.write("\x1b[?25h")
    sys.stdout.flush()
    sys.stderr.flush()
    logging.shutdown()
    os._exit(status)

"""`GET /metrics` on a port of its own, where METRICS_PORT is set."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from bot.errors import SettingsError
from model.engine.errors import CannotRun
from model.server.authentication import bearer_matches
from model.server.process import IDLE_SECONDS, check_address, listen

log = logging.getLogger(__name__)


class Told(Protocol):
    """What is told to who asks."""

    async def text(self, accept: str) -> tuple[bytes, str]:
        """The metrics and their content type."""
        ...


@asynccontextmanager
async def serving_metrics(
    told: Told, *, host: str, port: int, token: str | None = None
) -> AsyncIterator[str]:
    """Answer `GET /metrics` until the block ends; gives the address.

    Raises:
        SettingsError: the port cannot be had, or others could reach it without a token.
    """

    async def metrics(request: web.Request) -> web.Response:
        if token is not None and not bearer_matches(request.headers.get("Authorization", ""), token):
            return web.Response(status=401, text="A valid bearer token is needed.\n")
        try:
            body, content_type = await told.text(request.headers.get("Accept", ""))
        except (SQLAlchemyError, OSError) as error:
            log.warning("no metrics: the database does not answer: %s", error)
            return web.Response(status=503, text="The database does not answer.\n")
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application(client_max_size=1024)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=IDLE_SECONDS, auto_decompress=False)
    await runner.setup()
    try:
        try:
            check_address(host, token, "METRICS_TOKEN")
            address = await listen(runner, host, port)
        except CannotRun as error:
            raise SettingsError(str(error).replace("--port", "METRICS_PORT")) from error
        log.info("metrics at %s/metrics", address)
        yield address
    finally:
        await runner.cleanup()

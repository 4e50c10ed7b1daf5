"""The operator's routes, as vLLM has them: adapters in and out, sleep and waking up. And who may call them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from model.adapter_folder import NAME
from model.server.administration import Administration, Mode, bad_request
from model.server.authentication import bearer_matches
from model.server.body import read_body
from model.server.errors import ApiError
from model.server.request_log import NOTES

PATHS = frozenset({"/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/sleep", "/wake_up", "/is_sleeping"})
_MODES: dict[str, Mode] = {"abort": "abort", "wait": "wait"}
_TAGS = frozenset({"weights", "kv_cache"})


@dataclass(frozen=True, slots=True)
class AdminAccess:
    """Who may administer a worker."""

    token: str | None = field(default=None, repr=False)
    """The bearer token that it takes."""
    open: bool = False
    """Whether it takes none where there is none: on a loopback address that asks nobody for a token."""

    def check(self, request: web.Request) -> None:
        """Raises `ApiError` for whoever may not."""
        if self.token is not None:
            if not bearer_matches(request.headers.get("Authorization", ""), self.token):
                raise ApiError(401, "The administrator's bearer token is needed.", code="invalid_api_key")
        elif not self.open:
            raise ApiError(
                403,
                "Adapters and sleep are switched off here: start the worker with WORKER_ADMIN_TOKEN set, and send "
                "that as the bearer token.",
                code="administration_disabled",
            )
        elif "Origin" in request.headers:
            # Any web page could have a browser on this machine send it.
            raise ApiError(
                403, "Web pages may not do this without WORKER_ADMIN_TOKEN.", code="origin_refused"
            )


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class LoadAdapterRequest(_Body):
    """`POST /v1/load_lora_adapter`."""

    lora_name: str = ""
    lora_path: str = ""
    load_inplace: bool = False
    base_model_name: str | None = None


class UnloadAdapterRequest(_Body):
    """`POST /v1/unload_lora_adapter`; vLLM's number for the adapter is of no use here."""

    lora_name: str = ""
    lora_int_id: int | None = None


def add_routes(app: web.Application, administration: Administration, access: AdminAccess) -> None:
    """The five routes, each behind the check of access."""
    routes = _Routes(administration)

    def guarded(
        handler: Callable[[web.Request], Awaitable[web.Response]],
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def check_and_handle(request: web.Request) -> web.Response:
            access.check(request)
            return await handler(request)

        return check_and_handle

    app.router.add_post("/v1/load_lora_adapter", guarded(routes.load))
    app.router.add_post("/v1/unload_lora_adapter", guarded(routes.unload))
    app.router.add_post("/sleep", guarded(routes.sleep))
    app.router.add_post("/wake_up", guarded(routes.wake_up))
    app.router.add_get("/is_sleeping", guarded(routes.is_sleeping))


class _Routes:
    def __init__(self, administration: Administration) -> None:
        self._administration = administration

    async def load(self, request: web.Request) -> web.Response:
        _check_type(request)
        asked = await read_body(request, LoadAdapterRequest)
        request[NOTES].details |= {"adapter": asked.lora_name, "lora_path": asked.lora_path}
        if not asked.lora_name or not asked.lora_path:
            raise bad_request("Both 'lora_name' and 'lora_path' must be provided.")
        if not NAME.fullmatch(asked.lora_name):
            raise bad_request(
                "'lora_name' has up to 128 letters, digits and ._:/@+- and begins with one of the former."
            )
        text = await self._administration.load_adapter(
            asked.lora_name,
            asked.lora_path,
            in_place=asked.load_inplace,
            base_model_name=asked.base_model_name,
        )
        return web.Response(text=text)

    async def unload(self, request: web.Request) -> web.Response:
        _check_type(request)
        asked = await read_body(request, UnloadAdapterRequest)
        request[NOTES].details |= {"adapter": asked.lora_name}
        if not asked.lora_name:
            raise bad_request("'lora_name' needs to be provided to unload a LoRA adapter.")
        return web.Response(text=await self._administration.unload_adapter(asked.lora_name))

    async def sleep(self, request: web.Request) -> web.Response:
        level, mode = request.query.get("level", "1"), request.query.get("mode", "wait")
        if level not in {"1", "2"}:
            raise bad_request("'level' is 1 (keep the weights in the CPU's memory) or 2 (drop them).")
        if mode not in _MODES:
            raise bad_request("'mode' is wait (for the running answers) or abort (hand them back at once).")
        await self._administration.sleep(int(level), _MODES[mode])
        return web.Response()

    async def wake_up(self, request: web.Request) -> web.Response:
        if (tags := request.query.getall("tags", [])) and set(tags) != _TAGS:
            raise bad_request("Weights and cache are fetched back together here: leave 'tags' out.")
        await self._administration.wake_up()
        return web.Response()

    async def is_sleeping(self, request: web.Request) -> web.Response:
        return web.json_response({"is_sleeping": self._administration.sleeping})


def _check_type(request: web.Request) -> None:
    if request.content_type != "application/json":
        raise bad_request("Unsupported Media Type: Only 'application/json' is allowed")

"""The worker's HTTP API as an OpenAPI 3.1 document: requests from the models that read them, answers from the models
below, which tests hold to what the worker really sends. `GET /openapi.json` has it, and the documentation's site."""

from __future__ import annotations

from typing import Any, Literal

from model.server.admin import LoadAdapterRequest, UnloadAdapterRequest
from model.server.openapi_document import Answer, Operation, Parameter, Server, describe
from model.server.protocol import ChatCompletionRequest, TokenizeRequest

FinishReason = Literal["stop", "length"]


class Usage(Answer):
    """Tokens of the prompt and of the answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class AnswerMessage(Answer):
    """What the model says."""

    role: Literal["assistant"]
    content: str


class Choice(Answer):
    """The one answer."""

    index: int
    message: AnswerMessage
    logprobs: None
    finish_reason: FinishReason


class ChatCompletion(Answer):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage


class Delta(Answer):
    """What is new since the event before."""

    role: Literal["assistant"] | None = None
    content: str | None = None


class ChunkChoice(Answer):
    """A piece of the one answer; the last one has its reason to end."""

    index: int
    delta: Delta
    logprobs: None
    finish_reason: FinishReason | None


class ChatCompletionChunk(Answer):
    """One event of a stream. With `stream_options.include_usage` the last has `usage` and no choices."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    usage: Usage | None = None


class ModelCard(Answer):
    """A model that can be asked for: the base, or an adapter on it (`parent` is then the base)."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    root: str
    parent: str | None
    max_model_len: int
    slots: int


class ModelList(Answer):
    """All of them, the default first."""

    object: Literal["list"]
    data: list[ModelCard]


class Tokens(Answer):
    """The tokens of a chat or a text."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


class Load(Answer):
    """Answers that are written and that wait, and how many can be written side by side."""

    running: int
    waiting: int
    slots: int


class Health(Answer):
    """How the worker is; `reason` says why it is not ready."""

    ready: bool
    status: str
    reason: str | None
    model: str | None
    models: list[str]
    adapters: list[str]
    fingerprint: str | None
    load: Load


class Sleeping(Answer):
    """Whether the worker sleeps."""

    is_sleeping: bool


_NO_MODEL = {404: "there is no model of this name"}
_AWAY = {503: "loading, asleep, stopping, broken or full; `Retry-After` says when to come again"}
_BODY = {400: "a field is wrong or not served; `param` names it", 413: "the body is too large"}
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("post", "/v1/chat/completions"): Operation(
        "Answer a chat, whole or as server-sent events (`stream`).",
        request=ChatCompletionRequest,
        answer=ChatCompletion,
        stream=ChatCompletionChunk,
        failures=_BODY | _NO_MODEL | _AWAY,
    ),
    ("get", "/v1/models"): Operation("List the models.", answer=ModelList, failures=_AWAY),
    ("get", "/v1/models/{name}"): Operation(
        "Describe one model.",
        answer=ModelCard,
        parameters=(Parameter("path", "name", "its name"),),
        failures=_NO_MODEL | _AWAY,
    ),
    ("post", "/tokenize"): Operation(
        "Count the tokens of a chat or of a text.",
        request=TokenizeRequest,
        answer=Tokens,
        failures=_BODY | _NO_MODEL | _AWAY,
    ),
    ("get", "/health"): Operation(
        "Say how the worker is: 200 where requests are served, 503 with the same body where they are not.",
        access="nobody",
        answer=Health,
        not_now=True,
    ),
    ("get", "/metrics"): Operation(
        "Measurements for Prometheus; open to everyone where the worker listens on a loopback address.",
        answer="text/plain",
    ),
    ("get", "/openapi.json"): Operation("This document.", access="nobody", answer="application/json"),
    ("post", "/v1/load_lora_adapter"): Operation(
        "Serve an adapter of the folder `ADAPTERS_DIR`, under a new name or, with `load_inplace`, under its old one.",
        access="admin",
        request=LoadAdapterRequest,
        failures=_BODY | {404: "there is no such folder"} | _AWAY,
    ),
    ("post", "/v1/unload_lora_adapter"): Operation(
        "Serve an adapter no longer; answers that it writes are ended by it.",
        access="admin",
        request=UnloadAdapterRequest,
        failures=_BODY | {404: "no adapter of this name is served"} | _AWAY,
    ),
    ("post", "/sleep"): Operation(
        "Free the GPU.",
        access="admin",
        answer="text/plain",
        parameters=(
            Parameter("query", "level", "1 keeps the weights in the CPU's memory, 2 drops them", ("1", "2")),
            Parameter(
                "query", "mode", "wait lets running answers end, abort hands them back", ("wait", "abort")
            ),
        ),
        failures={400: "a parameter is wrong"} | _AWAY,
    ),
    ("post", "/wake_up"): Operation(
        "Bring everything back as it was.",
        access="admin",
        failures={400: "`tags` names a part"} | _AWAY,
    ),
    ("get", "/is_sleeping"): Operation("Say whether the worker sleeps.", access="admin", answer=Sleeping),
}


def document(version: str) -> dict[str, Any]:
    """The OpenAPI document, for this version of FanFabler."""
    return describe(
        Server(
            title="FanFabler's worker",
            description="OpenAI's chat API, with vLLM's calls for tokens, adapters and sleep.",
            operations=OPERATIONS,
            tokens={"token": "WORKER_TOKEN, where it is set", "admin": "WORKER_ADMIN_TOKEN"},
        ),
        version,
    )

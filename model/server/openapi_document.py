"""How a server of ours is described as an OpenAPI 3.1 document: from what is known of each route, and from the models
of its requests and answers. The worker's routes are in `model.server.openapi`, the trainer's in
`training.serving.openapi`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

Access = Literal["nobody", "token", "admin"]


class Answer(BaseModel):
    """What a server sends: these fields, and no others."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class ErrorDetails(Answer):
    """`code` is a word to act upon; the operator's routes have the status there, as vLLM does."""

    message: str
    type: str
    param: str | None
    code: str | int | None
    request_id: str


class Error(Answer):
    """Any failure, in OpenAI's shape."""

    error: ErrorDetails


@dataclass(frozen=True)
class Parameter:
    """A part of a route's address."""

    place: Literal["path", "query"]
    name: str
    words: str
    values: tuple[str, ...] = ()
    """All that it may be; any text where there are none."""


@dataclass(frozen=True)
class Operation:
    """What is known of one route."""

    summary: str
    access: Access = "token"
    request: type[BaseModel] | None = None
    request_type: str = "application/json"
    answer: type[BaseModel] | str = "text/plain"
    """A model, sent as JSON, or the type of another content."""
    not_now: bool = False
    """Whether the same answer also comes with the status 503."""
    stream: type[BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    failures: Mapping[int, str] = field(default_factory=dict)


Operations = Mapping[tuple[str, str], Operation]
"""By method, in small letters, and path."""


@dataclass(frozen=True)
class Server:
    """What is described."""

    title: str
    description: str
    operations: Operations
    tokens: Mapping[str, str]
    """Which bearer token a kind of access wants."""


def describe(server: Server, version: str) -> dict[str, Any]:
    """The OpenAPI document of a server, for this version of FanFabler."""
    operations = server.operations.values()
    # Requests are described as they may be sent, answers as they are: defaults make fields optional or not.
    requests = {o.request for o in operations if o.request is not None}
    answers = {m for o in operations for m in (o.answer, o.stream) if isinstance(m, type)}
    inputs = [(model, "validation") for model in sorted(requests, key=lambda m: m.__name__)]
    outputs = [(model, "serialization") for model in sorted(answers | {Error}, key=lambda m: m.__name__)]
    references, schemas = models_json_schema(
        [*inputs, *outputs],  # type: ignore[list-item]
        ref_template="#/components/schemas/{model}",
    )
    refs: dict[Any, Any] = {model: reference for (model, _), reference in references.items()}
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in server.operations.items():
        paths.setdefault(path, {})[method] = _described(operation, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": server.title,
            "version": version,
            "description": server.description,
            "license": {"name": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                access: {"type": "http", "scheme": "bearer", "description": words}
                for access, words in server.tokens.items()
            },
        },
    }


def _described(operation: Operation, refs: Mapping[type[BaseModel], Any]) -> dict[str, Any]:
    content: dict[str, Any] = (
        {operation.answer: {"schema": {"type": "object" if "json" in operation.answer else "string"}}}
        if isinstance(operation.answer, str)
        else {"application/json": {"schema": refs[operation.answer]}}
    )
    if operation.stream is not None:
        content["text/event-stream"] = {"schema": refs[operation.stream]}
    failures = dict(operation.failures)
    if operation.access != "nobody":
        failures[401] = "the bearer token is missing or wrong"
    if operation.access == "admin":
        failures[403] = "these calls are switched off here"
    error = {"application/json": {"schema": refs[Error]}}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "security": [] if operation.access == "nobody" else [{operation.access: []}],
        "responses": {"200": {"description": "done", "content": content}}
        | {str(s): {"description": failures[s], "content": error} for s in sorted(failures)},
    }
    if operation.not_now:
        described["responses"]["503"] = {"description": "not now", "content": content}
    if operation.request is not None:
        described["requestBody"] = {
            "required": True,
            "content": {operation.request_type: {"schema": refs[operation.request]}},
        }
    if operation.parameters:
        described["parameters"] = [
            {
                "in": each.place,
                "name": each.name,
                "required": each.place == "path",
                "description": each.words,
                "schema": {"type": "string"} | ({"enum": list(each.values)} if each.values else {}),
            }
            for each in operation.parameters
        ]
    return described

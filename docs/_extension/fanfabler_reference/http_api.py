"""The HTTP APIs of worker and trainer, from their OpenAPI documents."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fanfabler_reference.markdown import cell, code, table
from model.server import openapi as worker
from training.serving import openapi as trainer

_PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
_WHO = {
    "nobody": "Open to everyone.",
    "WORKER_TOKEN, where it is set": "Wants `WORKER_TOKEN`, where it is set.",
    "WORKER_ADMIN_TOKEN": "Wants `WORKER_ADMIN_TOKEN`.",
    "TRAINER_TOKEN, where it is set": "Wants `TRAINER_TOKEN`, where it is set.",
}
_SERVERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "worker": worker.document,
    "trainer": trainer.document,
}


def documents() -> dict[str, dict[str, Any]]:
    """The OpenAPI documents of this version, by server."""
    version = tomllib.loads(_PYPROJECT.read_text())["project"]["version"]
    return {name: document(version) for name, document in _SERVERS.items()}


def page_of(server: str) -> str:
    """A section for each route of a server, then one for each object."""
    described = documents()[server]
    tokens = {name: each["description"] for name, each in described["components"]["securitySchemes"].items()}
    parts = ["## Calls\n"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            parts += _call(method, path, operation, tokens)
    parts.append("## Objects\n")
    for name, schema in sorted(described["components"]["schemas"].items()):
        parts += _object(name, schema)
    return "\n".join(parts)


def _call(method: str, path: str, operation: dict[str, Any], tokens: dict[str, str]) -> Iterator[str]:
    yield f"### {method.upper()} {path}\n\n{operation['summary']}\n"
    wanted = [tokens[name] for each in operation["security"] for name in each]
    yield _WHO[wanted[0] if wanted else "nobody"] + "\n"
    if body := operation.get("requestBody"):
        ((kind, content),) = body["content"].items()
        yield f"Takes {_kind(content['schema'])}{'' if kind == 'application/json' else f' ({kind})'}.\n"
    if parameters := operation.get("parameters"):
        rows = [(code(p["name"]), _kind(p["schema"]), p["description"]) for p in parameters]
        yield table(("parameter", "takes", ""), rows)
    rows = []
    for status, response in operation["responses"].items():
        kinds = [f"{_kind(c['schema'])} ({t})" for t, c in response["content"].items()]
        rows.append((status, cell(response["description"]), "; ".join(kinds)))
    yield table(("status", "when", "body"), rows)


def _object(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n\n{' '.join(schema.get('description', '').split())}\n"
    required = schema.get("required", [])
    rows = []
    for field, described in schema.get("properties", {}).items():
        notes = ["needed"] if field in required else []
        limits = {
            "minimum": "from", "maximum": "to", "exclusiveMinimum": "above", "minLength": "at least",
            "maxLength": "at most",
        }  # fmt: skip
        for option in (described, *described.get("anyOf", ())):
            notes += [f"{word} {option[key]}" for key, word in limits.items() if key in option]
        rows.append((code(field), _kind(described), ", ".join(notes)))
    if rows:
        yield table(("field", "is", ""), rows)


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_kind(option) for option in schema["anyOf"])
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return ", ".join(code(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"a list: {_kind(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))

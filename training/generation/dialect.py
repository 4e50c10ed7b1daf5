"""How a server wants to be asked: which reply form it takes, and what it calls the limit of tokens.

Servers say so only by refusing a request. The first call settles it, before others are made; what was found
out stays with the run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import openai

from training.chats import write_text
from training.generation.requests import ReplyForm, Request

_REFUSALS = frozenset({400, 415, 422, 501})
"""Statuses with which servers refuse a parameter."""
_REFUSALS_IF_SAID = frozenset({404, 500})
"""Statuses that mean it only where the message speaks of the parameter."""
_FORMS = tuple(ReplyForm)


@dataclass(frozen=True, slots=True)
class Dialect:
    """A way to ask."""

    form: ReplyForm = ReplyForm.SCHEMA
    token_limit: str = "max_tokens"  # noqa: S105
    temperature: bool = True
    """Whether the server takes one; some models have only their own."""

    def parameters(self, request: Request[Any], max_tokens: int, temperature: float) -> dict[str, Any]:
        """The parameters of a call, beside model and messages."""
        parameters: dict[str, Any] = {self.token_limit: max_tokens}
        if self.temperature:
            parameters["temperature"] = temperature
        if self.form is ReplyForm.SCHEMA:
            schema = {"name": request.stage.value, "strict": True, "schema": request.schema()}
            parameters["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif self.form is ReplyForm.JSON:
            parameters["response_format"] = {"type": "json_object"}
        return parameters

    def after_refusal(self, error: openai.APIStatusError) -> Dialect | None:
        """What to try next, after a request in this dialect was refused; None where nothing is left to change."""
        named = f"{error.param or ''} {error.message}".casefold()
        about_form = any(word in named for word in ("response_format", "json_schema", "schema", "json"))
        if error.status_code not in _REFUSALS and not (error.status_code in _REFUSALS_IF_SAID and about_form):
            return None
        if "max_tokens" in named and self.token_limit == "max_tokens":  # noqa: S105
            return replace(self, token_limit="max_completion_tokens")  # noqa: S106
        if "temperature" in named and self.temperature:
            return replace(self, temperature=False)
        if self.form is not ReplyForm.TEXT:
            return replace(self, form=_FORMS[_FORMS.index(self.form) + 1])
        return None


class DialectMemory:
    """Keeps the dialect of a server in the run's folder."""

    def __init__(self, path: Path, server: str) -> None:
        """`server`: address and model; what was found out about another one is not used."""
        self._path = path
        self._server = server

    def load(self) -> Dialect | None:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            if kept["server"] != self._server:
                return None
            return Dialect(ReplyForm(kept["form"]), kept["token_limit"], kept["temperature"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, dialect: Dialect) -> None:
        fields = {
            "server": self._server,
            "form": dialect.form.value,
            "token_limit": dialect.token_limit,
            "temperature": dialect.temperature,
        }
        write_text(self._path, json.dumps(fields, indent=1) + "\n")

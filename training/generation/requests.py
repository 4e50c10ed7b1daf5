"""One question to the model: what it is told, the form its reply is to have, and how the reply is read.

A reply comes in one of three forms, after what the server can do: held to a strict JSON schema, JSON as asked
for in words, or plain text. The same request serves all three.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from model.conversation import ChatMessage
from model.languages import LANGUAGES
from training.chats import explain
from training.generation.errors import BadOutput
from training.generation.stages import Stage

Result = TypeVar("Result")


class ReplyForm(StrEnum):
    """What `response_format` a server takes, the strictest first."""

    SCHEMA = "json_schema"
    JSON = "json_object"
    TEXT = "text"


class Output(BaseModel):
    """The fields of a reply; a subclass is what a request asks for."""

    model_config = ConfigDict(extra="ignore", frozen=True)


@dataclass(frozen=True, slots=True)
class Request(Generic[Result]):
    """A question to the model.

    `instructions` go into the system message, `turns` follow it. `output` is the form of a JSON reply;
    `plain_form` says in words what a plain reply looks like, and `read_plain` turns one into the fields of
    `output`. `read` makes the result of the fields and raises `BadOutput` where they are unusable; `texts` are
    what of a result must be in the request's language.
    """

    stage: Stage
    slot: str
    language: str
    instructions: str
    turns: tuple[ChatMessage, ...]
    output: type[Output]
    plain_form: str
    read_plain: Callable[[str], Mapping[str, Any]]
    read: Callable[[Any], Result]
    texts: Callable[[Result], Iterable[str]]
    max_tokens: int

    def messages(self, form: ReplyForm, complaint: str | None = None) -> list[ChatMessage]:
        """The messages to send. `complaint` is what was wrong with the reply before."""
        parts = [self.instructions, _FORM_IN_WORDS[form](self)]
        if complaint:
            parts.append(f"A reply to this was thrown away: {complaint}. Do better.")
        language = LANGUAGES[self.language]
        # The line by which our own prompts name the language; FanFabler's models know it.
        parts.append(f"Language of this conversation: {language.english_name} ({language.code})")
        return [{"role": "system", "content": "\n\n".join(filter(None, parts))}, *self.turns]

    @property
    def digest(self) -> str:
        """Tells what is asked from anything else that may be asked under the same slot."""
        text = json.dumps([self.instructions, self.turns], ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]

    def schema(self) -> dict[str, Any]:
        """The reply's form as a strict JSON schema, in OpenAI's subset."""
        return strict_schema(self.output)

    def result(self, reply: str, form: ReplyForm) -> Result:
        """What the reply says. Raises `BadOutput`."""
        fields = find_json(reply, self.output)
        if fields is None:
            if form is not ReplyForm.TEXT:
                raise BadOutput("it was not the JSON that was asked for", "no JSON")
            fields = self.read_plain(reply)
        try:
            output = self.output.model_validate(fields)
        except ValidationError as error:
            raise BadOutput(f"it was not of the form asked for ({explain(error)})", "wrong form") from error
        return self.read(output)


_FORM_IN_WORDS: Mapping[ReplyForm, Callable[[Request[Any]], str]] = {
    ReplyForm.SCHEMA: lambda request: "",
    ReplyForm.JSON: lambda request: (
        "Reply with one JSON object and nothing else. Its JSON schema:\n"
        + json.dumps(request.schema(), ensure_ascii=False)
    ),
    ReplyForm.TEXT: lambda request: request.plain_form,
}


@cache
def strict_schema(output: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a model with every field required, nothing else allowed, and no references.

    Source: OpenAI's documentation of structured outputs, «Supported schemas».
    """
    schema = output.model_json_schema()
    definitions = schema.pop("$defs", {})

    def strict(node: Any) -> Any:
        if isinstance(node, list):
            return [strict(each) for each in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return strict(definitions[node["$ref"].rsplit("/", 1)[-1]])
        kept = {key: strict(value) for key, value in node.items() if key not in {"title", "default"}}
        if node.get("type") == "object":
            # Fields may be called `title`, so they are taken from the original.
            fields = {name: strict(field) for name, field in node.get("properties", {}).items()}
            kept |= {"properties": fields, "required": list(fields), "additionalProperties": False}
            kept.pop("description", None)
        return kept

    result: dict[str, Any] = strict(schema)
    return result


_FENCE = re.compile(r"^\s*```[a-zA-Z]*\s*\n(.*?)\n\s*```\s*$", re.DOTALL)


def find_json(reply: str, output: type[BaseModel]) -> Mapping[str, Any] | None:
    """The JSON object in a reply that has the fields of `output`, bare or within other text; None without one."""
    fenced = _FENCE.match(reply)
    text = fenced[1] if fenced else reply
    decoder = json.JSONDecoder(strict=False)
    start = text.find("{")
    while start >= 0:
        try:
            found, _ = decoder.raw_decode(text, start)
        except ValueError:
            found = None
        if isinstance(found, dict) and set(output.model_fields) & set(found):
            return found
        start = text.find("{", start + 1)
    return None


def numbered_lines(text: str, count: int) -> list[str]:
    """The items of a numbered list, or the text's lines where nothing is numbered; `count` of them at most."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [found[1].strip() for line in lines if (found := _NUMBERED.match(line))]
    items = numbered or ([" ".join(lines)] if count == 1 and lines else lines)
    return [unquoted(item) for item in items[:count]]


_NUMBERED = re.compile(r"^[*_\s]*\(?\d{1,2}[.):、．][*_\s]*(\S.*)$")
_QUOTES = (('"', '"'), ("“", "”"), ("„", "“"), ("„", "”"), ("«", "»"), ("»", "«"), ("「", "」"))


def unquoted(text: str) -> str:
    """The text without quotation marks around the whole of it, which models like to put there."""
    text = text.strip()
    for opening, closing in _QUOTES:
        inner = text[len(opening) : -len(closing)]
        if (
            len(text) > 2
            and text == opening + inner + closing
            and opening not in inner
            and closing not in inner
        ):
            return inner.strip()
    return text


def conversation(messages: Sequence[ChatMessage]) -> str:
    """A conversation as text, for a prompt that talks about it."""
    speakers = {"user": "FAN", "assistant": "ASSISTANT"}
    return "\n\n".join(
        f"{speakers.get(message['role'], message['role'])}: {message['content']}" for message in messages
    )

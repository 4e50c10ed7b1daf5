"""One request on its way to a route, the answer on its way back, and the table of routes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import INVALID_JSON, Json
from ..rules.forms import Form
from ..rules.message_form import Upload

_PARAMETER = re.compile(r"\{(\w+)\}")
# Parameters that are not ids.
_TEXTS = frozenset({"token", "emoji", "which", "filename"})
# "Top-level resources are currently limited to channels, guilds, and webhooks" (Rate Limits).
_MAJOR = ("channel_id", "guild_id", "webhook_id", "token")


@dataclass
class Call:
    """A request after its path was matched. `user_id` is the bot's, for routes that need its token."""

    method: str
    path: str
    parameters: dict[str, str]
    query: dict[str, str]
    body: Any = None
    files: list[Upload] = field(default_factory=list)
    user_id: int = 0

    def id(self, name: str) -> int:
        """A path parameter as a snowflake. Raises ApiError 50035."""
        form = Form()
        value = form.snowflake([name], self.parameters[name])
        form.check()
        assert value is not None
        return value

    def text(self, name: str) -> str:
        return self.parameters[name]

    @property
    def form(self) -> Json:
        """The body where it has to be an object."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise INVALID_JSON.error()
        return self.body

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from the query. Raises ApiError 50035."""
        form = Form()
        text = self.query.get(name, str(default))
        value = int(text) if text.isdigit() else text
        form.whole([name], value, low, high)
        form.check()
        return int(value)

    def flag(self, name: str) -> bool:
        """A boolean from the query (API Reference, "Boolean Query Strings")."""
        return self.query.get(name, "false").lower() in ("true", "1")


@dataclass(frozen=True)
class Reply:
    """Without a body the answer is empty."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


NO_CONTENT = Reply(status=204)
Handler = Callable[[Call], Reply]


class Endpoint:
    """A route. `bucket` names its rate limit, none for those without; `token` whether it needs the bot's."""

    def __init__(
        self,
        method: str,
        template: str,
        handler: Handler,
        bucket: str | None = "default",
        *,
        token: bool = True,
    ) -> None:
        self.method = method
        self.template = template
        self.handler = handler
        self.bucket = bucket
        self.needs_token = token
        self._pattern = re.compile(_PARAMETER.sub(_group, template))

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"

    def match(self, method: str, path: str) -> dict[str, str] | None:
        found = self._pattern.fullmatch(path) if method == self.method else None
        return None if found is None else found.groupdict()


def _group(match: re.Match[str]) -> str:
    # `@me` and the like are routes of their own, listed before the general one.
    return rf"(?P<{match[1]}>[^/]+)" if match[1] in _TEXTS else rf"(?P<{match[1]}>[^/@]+)"


def major_parameters(parameters: dict[str, str]) -> str:
    return "+".join(parameters[name] for name in _MAJOR if name in parameters)


def route_pattern(route: str) -> re.Pattern[str]:
    """What a test writes for a route: `PATCH /channels/*/messages/{message_id}`; a star is one segment.

    A pattern without a method means any.
    """
    text = route if " " in route else f"* {route}"
    parts = [
        r"[^/ ]+" if part == "*" or part.startswith("{") else re.escape(part)
        for part in re.split(r"(\*|\{\w+\})", text)
        if part
    ]
    return re.compile("".join(parts))

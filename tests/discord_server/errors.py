"""Everything that can go wrong, in two trees.

`ApiError` is what a bot is answered (Discord's HTTP status, JSON code and words); the problems that the
server knows are listed here by name. `DiscordServerError` is for the test that drives the server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class ApiError(Exception):
    """An answer with an HTTP error status.

    `body` is the JSON of Discord's error responses: `code`, `message`, and for forms `errors`
    (API Reference, "Error Messages").
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        extra: Json | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.body: Json = {"message": message, "code": code, **(extra or {})}


@dataclass(frozen=True)
class Problem:
    """One row of Discord's table of JSON error codes, with the status it comes with."""

    status: int
    code: int
    message: str

    def error(self) -> ApiError:
        return ApiError(self.status, self.code, self.message)


UNAUTHORIZED = Problem(401, 0, "401: Unauthorized")
UNKNOWN_APPLICATION = Problem(404, 10002, "Unknown Application")
UNKNOWN_CHANNEL = Problem(404, 10003, "Unknown Channel")
UNKNOWN_GUILD = Problem(404, 10004, "Unknown Guild")
UNKNOWN_MEMBER = Problem(404, 10007, "Unknown Member")
UNKNOWN_MESSAGE = Problem(404, 10008, "Unknown Message")
UNKNOWN_OVERWRITE = Problem(404, 10009, "Unknown Overwrite")
UNKNOWN_ROLE = Problem(404, 10011, "Unknown Role")
UNKNOWN_USER = Problem(404, 10013, "Unknown User")
UNKNOWN_EMOJI = Problem(400, 10014, "Unknown Emoji")
UNKNOWN_WEBHOOK = Problem(404, 10015, "Unknown Webhook")
UNKNOWN_INTERACTION = Problem(404, 10062, "Unknown interaction")
UNKNOWN_COMMAND = Problem(404, 10063, "Unknown application command")
UNKNOWN_COMMAND_PERMISSIONS = Problem(404, 10066, "Unknown application command permissions")
MAXIMUM_PINS = Problem(400, 30003, "Maximum number of pins reached for the channel (250)")
MAXIMUM_REACTIONS = Problem(400, 30010, "Maximum number of reactions reached (20)")
MAXIMUM_COMMANDS = Problem(400, 30032, "Maximum number of application commands reached (100).")
DAILY_COMMAND_CREATES = Problem(
    400, 30034, "Max number of daily application command creates has been reached (200)"
)
REQUEST_TOO_LARGE = Problem(413, 40005, "Request entity too large")
ALREADY_ACKNOWLEDGED = Problem(400, 40060, "Interaction has already been acknowledged.")
MISSING_ACCESS = Problem(403, 50001, "Missing Access")
DIRECT_MESSAGE_ACTION = Problem(400, 50003, "Cannot execute action on a DM channel")
AUTHORED_BY_ANOTHER = Problem(403, 50005, "Cannot edit a message authored by another user")
EMPTY_MESSAGE = Problem(400, 50006, "Cannot send an empty message")
CANNOT_MESSAGE_USER = Problem(403, 50007, "Cannot send messages to this user")
NON_TEXT_CHANNEL = Problem(400, 50008, "Cannot send messages in a non-text channel")
MISSING_PERMISSIONS = Problem(403, 50013, "Missing Permissions")
SYSTEM_MESSAGE = Problem(403, 50021, "Cannot execute action on a system message")
WRONG_CHANNEL_TYPE = Problem(400, 50024, "Cannot execute action on this channel type")
INVALID_WEBHOOK_TOKEN = Problem(401, 50027, "Invalid Webhook Token")
TOO_OLD_TO_BULK_DELETE = Problem(400, 50034, "A message provided was too old to bulk delete")
THREAD_ARCHIVED = Problem(400, 50083, "Thread is archived")
INVALID_JSON = Problem(400, 50109, "The request body contains invalid JSON.")
REPLY_NEEDS_HISTORY = Problem(400, 160002, "Cannot reply without permission to read message history")
THREAD_EXISTS = Problem(400, 160004, "A thread has already been created for this message")
THREAD_LOCKED = Problem(400, 160005, "Thread is locked")


class DiscordServerError(Exception):
    """The test, or the bot under test, used the server in a way that it cannot carry out."""


class NotServedError(DiscordServerError):
    """The bot asked for something of Discord that this server does not have: 501, and the test fails."""


class ClientRefusedError(DiscordServerError):
    """Discord's own client would not have let the member do this: there is no such button or command."""


@dataclass
class UnexpectedTraffic(DiscordServerError):
    """The bot asked for what this server does not know, or a handler of the server failed."""

    what: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "the test server could not serve the bot:\n" + "\n".join(f"  {line}" for line in self.what)

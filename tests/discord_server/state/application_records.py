"""What Discord remembers about the application: its commands and the interactions sent to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from ..errors import Json

# "Interaction tokens are valid for 15 minutes ... you must send an initial response within 3 seconds"
# (Receiving and Responding, "Interaction Callback").
FIRST_RESPONSE_SECONDS = 3.0
TOKEN_SECONDS = 15 * 60.0


class CommandType(IntEnum):
    CHAT_INPUT = 1
    USER = 2
    MESSAGE = 3


class InteractionType(IntEnum):
    APPLICATION_COMMAND = 2
    MESSAGE_COMPONENT = 3
    APPLICATION_COMMAND_AUTOCOMPLETE = 4
    MODAL_SUBMIT = 5


class CallbackType(IntEnum):
    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE_MESSAGE = 7
    AUTOCOMPLETE = 8
    MODAL = 9


@dataclass
class Application:
    """`intents` are the privileged ones that are switched on in the developer portal."""

    id: int
    name: str
    token: str
    owner_id: int
    bot_id: int
    intents: int
    public_key: str = "0" * 64
    description: str = ""
    interactions_endpoint_url: str | None = None
    requires_code_grant: bool = False


@dataclass
class Command:
    """A registered command; `definition` is what the bot sent, less the fields held here."""

    id: int
    version: int
    type: CommandType
    name: str
    guild_id: int | None
    definition: Json


@dataclass
class Interaction:
    id: int
    token: str
    type: InteractionType
    user_id: int
    channel_id: int
    guild_id: int | None
    created_at: float
    data: Json
    command_name: str | None = None
    # The message whose component was used, or on which a message command was run.
    message_id: int | None = None
    # For a modal: the interaction that was answered with it.
    opened_by: int | None = None
    acknowledged_at: float | None = None
    callback_type: CallbackType | None = None
    ephemeral: bool = False
    original_id: int | None = None
    followup_ids: list[int] = field(default_factory=list)
    modal: Json | None = None
    choices: list[Json] | None = None

    def expired(self, now: float) -> bool:
        """Whether its token is worth nothing any more: not answered in 3 seconds, or 15 minutes old."""
        age = now - self.created_at
        return age > (FIRST_RESPONSE_SECONDS if self.acknowledged_at is None else TOKEN_SECONDS)

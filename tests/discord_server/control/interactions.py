"""What came of an interaction, as the member sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import Json
from ..rules.component_form import flatten
from ..state.application_records import CallbackType
from .handles import DEFAULT_TIMEOUT, Handle, wait_until
from .messages import Message


@dataclass(frozen=True)
class Choice:
    name: str
    value: Any


@dataclass(frozen=True)
class Modal:
    title: str
    custom_id: str
    fields: list[Json]


class InteractionResult(Handle):
    """Read anew at each access: messages and follow-ups appear as the bot sends them."""

    kind = "interaction"

    @property
    def _record(self) -> Json:
        record: Json = self._link.call("look.interaction", interaction_id=self.id)
        return record

    @property
    def acknowledged(self) -> bool:
        return self._record["acknowledged_at"] is not None

    @property
    def failed(self) -> bool:
        """'The application did not respond': three seconds went by without an answer."""
        record = self._record
        return bool(record["expired"]) and record["acknowledged_at"] is None

    @property
    def answered_after(self) -> float:
        """Seconds until the first answer. Raises KeyError when there was none."""
        record = self._record
        if record["acknowledged_at"] is None:
            raise KeyError(f"interaction {self.id} was not answered")
        return float(record["acknowledged_at"]) - float(record["created_at"])

    @property
    def callback_type(self) -> CallbackType | None:
        kind = self._record["callback_type"]
        return None if kind is None else CallbackType(kind)

    @property
    def deferred(self) -> bool:
        """Whether the first answer only asked for time."""
        return self.callback_type in (CallbackType.DEFERRED_MESSAGE, CallbackType.DEFERRED_UPDATE)

    @property
    def ephemeral(self) -> bool:
        return bool(self._record["ephemeral"])

    @property
    def response(self) -> Message | None:
        """The message of the first answer; for a component that updates, the message it is on."""
        message_id = self._record["original_id"]
        return None if message_id is None else Message(self._link, message_id)

    @property
    def followups(self) -> list[Message]:
        return [Message(self._link, message_id) for message_id in self._record["followup_ids"]]

    @property
    def messages(self) -> list[Message]:
        """Everything that was answered, in order."""
        first = self.response
        return [*([first] if first is not None else []), *self.followups]

    @property
    def choices(self) -> list[Choice]:
        return [Choice(choice["name"], choice["value"]) for choice in self._record["choices"] or []]

    @property
    def modal(self) -> Modal | None:
        modal = self._record["modal"]
        if modal is None:
            return None
        fields = [c for c in flatten(modal["components"]) if "custom_id" in c]
        return Modal(modal["title"], modal["custom_id"], fields)

    async def finished(self, timeout: float = DEFAULT_TIMEOUT) -> Message:  # noqa: ASYNC109
        """The first answer, once a deferred one has been filled in. Raises TimeoutError."""

        def ready() -> Message | None:
            response = self.response
            return response if response is not None and not response.loading else None

        found = await wait_until(self._link, ready, timeout, "the deferred answer")
        assert found is not None
        return found

    async def followup(self, index: int = 0, timeout: float = DEFAULT_TIMEOUT) -> Message:  # noqa: ASYNC109
        """The follow-up of this number, once it is there. Raises TimeoutError."""
        what = f"follow-up {index}"
        return await wait_until(self._link, lambda: self.followups[index], timeout, what)

"""Interactions: sent to the bot, and its first answers to them ("Receiving and Responding")."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from ..errors import ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION, Json
from ..payloads.interactions import interaction_payload, source_message
from ..payloads.messages import MessagePayloads
from ..rules.component_form import ComponentForm
from ..rules.forms import Form
from ..rules.message_form import Upload, check_message, require_something
from ..state.application_records import CallbackType, Interaction, InteractionType
from ..state.message_records import Message, MessageFlag, MessageType, Reference
from ..state.records import Channel
from ..state.world import Event, World
from .message_actions import MessageActions, Origin
from .thread_activity import ThreadActivity

_AUTOCOMPLETE = InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE
_MESSAGE_ANSWERS = (CallbackType.MESSAGE, CallbackType.DEFERRED_MESSAGE)
_UPDATE_ANSWERS = (CallbackType.DEFERRED_UPDATE, CallbackType.UPDATE_MESSAGE)


@dataclass(frozen=True)
class Invocation:
    """What a member did: everything of an interaction but its id, token and time."""

    type: InteractionType
    user_id: int
    channel_id: int
    data: Json
    command_name: str | None = None
    message_id: int | None = None
    opened_by: int | None = None


class InteractionActions:
    def __init__(
        self, world: World, payloads: MessagePayloads, messages: MessageActions, threads: ThreadActivity
    ) -> None:
        self._world = world
        self._payloads = payloads
        self._messages = messages
        self._threads = threads

    def begin(self, invocation: Invocation) -> Interaction:
        """Send INTERACTION_CREATE; the bot has three seconds from now."""
        world = self._world
        channel = world.channel(invocation.channel_id)
        interaction = Interaction(
            id=world.ids.next(),
            token=secrets.token_urlsafe(48),
            type=invocation.type,
            user_id=invocation.user_id,
            channel_id=channel.id,
            guild_id=channel.guild_id,
            created_at=world.clock.now(),
            data=invocation.data,
            command_name=invocation.command_name,
            message_id=invocation.message_id,
            opened_by=invocation.opened_by,
        )
        world.state.interactions[interaction.id] = interaction
        data = interaction_payload(world, self._payloads, interaction)
        world.emit(Event("INTERACTION_CREATE", data, channel.guild_id))
        return interaction

    def answer(self, interaction_id: int, token: str, body: Json, files: list[Upload]) -> Json:
        """Create Interaction Response. Returns the callback response object.

        Raises 10062 for an unknown interaction or one that was not answered in time, 40060 for a second
        answer.
        """
        interaction = self._world.interaction(interaction_id)
        if interaction.token != token:
            raise UNKNOWN_INTERACTION.error()
        if interaction.acknowledged_at is not None:
            raise ALREADY_ACKNOWLEDGED.error()
        if interaction.expired(self._world.clock.now()):
            raise UNKNOWN_INTERACTION.error()
        kind = self._callback_type(interaction, body.get("type"))
        data = body.get("data") or {}
        message = self._carry_out(interaction, kind, data, files)
        interaction.callback_type = kind
        interaction.acknowledged_at = self._world.clock.now()
        return self._callback_response(interaction, kind, message)

    def _carry_out(
        self, interaction: Interaction, kind: CallbackType, data: Json, files: list[Upload]
    ) -> Message | None:
        if kind in _MESSAGE_ANSWERS:
            return self._answer_with_message(interaction, kind, data, files)
        if kind in _UPDATE_ANSWERS:
            return self._update_source(interaction, kind, data, files)
        if kind is CallbackType.AUTOCOMPLETE:
            interaction.choices = _checked_choices(data)
        else:
            form = Form()
            ComponentForm(form).check_modal(["data"], data)
            form.check()
            interaction.modal = data
        return None

    def _answer_with_message(
        self, interaction: Interaction, kind: CallbackType, data: Json, files: list[Upload]
    ) -> Message:
        loading = kind is CallbackType.DEFERRED_MESSAGE
        if not loading:
            check_message(data, files, ["data"])
            require_something(data, files)
        interaction.ephemeral = bool(int(data.get("flags") or 0) & MessageFlag.EPHEMERAL)
        body: Json = {"flags": data.get("flags")} if loading else data
        channel = self._world.channel(interaction.channel_id)
        message = self.post(channel, interaction, body, files, loading=loading)
        interaction.original_id = message.id
        return message

    def post(
        self,
        channel: Channel,
        interaction: Interaction,
        body: Json,
        files: list[Upload],
        *,
        loading: bool = False,
    ) -> Message:
        """A message of the application that belongs to an interaction: an answer or a follow-up."""
        ephemeral = bool(int(body.get("flags") or 0) & MessageFlag.EPHEMERAL)
        if not ephemeral:
            self._threads.wake(channel, self._world.bot.id)
        kind, reference = self._type_and_reference(channel, interaction)
        visible_to = interaction.user_id if ephemeral else None
        origin = Origin(kind, reference, interaction.id, visible_to, loading)
        return self._messages.create(channel, self._world.bot.id, body, files, origin)

    def _type_and_reference(
        self, channel: Channel, interaction: Interaction
    ) -> tuple[MessageType, Reference | None]:
        if interaction.original_id is not None:
            return MessageType.REPLY, Reference(channel.id, interaction.original_id, channel.guild_id)
        if interaction.type is InteractionType.APPLICATION_COMMAND:
            if interaction.data.get("type", 1) == 1:
                return MessageType.CHAT_INPUT_COMMAND, None
            reference = None
            if interaction.message_id is not None:
                reference = Reference(channel.id, interaction.message_id, channel.guild_id)
            return MessageType.CONTEXT_MENU_COMMAND, reference
        source = source_message(self._world, interaction)
        if source is None:
            return MessageType.DEFAULT, None
        return MessageType.REPLY, Reference(channel.id, source.id, channel.guild_id)

    def _update_source(
        self, interaction: Interaction, kind: CallbackType, data: Json, files: list[Upload]
    ) -> Message | None:
        source = source_message(self._world, interaction)
        assert source is not None
        interaction.original_id = source.id
        if kind is CallbackType.DEFERRED_UPDATE:
            return None
        channel = self._world.channel(source.channel_id)
        self._threads.require_open(channel, self._world.bot.id)
        return self._messages.change(channel, source, data, files)

    def _callback_type(self, interaction: Interaction, value: Any) -> CallbackType:
        allowed = [CallbackType.MESSAGE, CallbackType.DEFERRED_MESSAGE]
        if interaction.type is _AUTOCOMPLETE:
            allowed = [CallbackType.AUTOCOMPLETE]
        else:
            if source_message(self._world, interaction) is not None:
                allowed += _UPDATE_ANSWERS
            if interaction.type is not InteractionType.MODAL_SUBMIT:
                allowed.append(CallbackType.MODAL)
        form = Form()
        form.choice(["type"], value, [int(kind) for kind in allowed])
        form.check()
        return CallbackType(value)

    def _callback_response(
        self, interaction: Interaction, kind: CallbackType, message: Message | None
    ) -> Json:
        about: Json = {"id": str(interaction.id), "type": int(interaction.type)}
        resource: Json = {"type": int(kind)}
        if message is not None:
            about["response_message_id"] = str(message.id)
            about["response_message_loading"] = bool(message.flags & MessageFlag.LOADING)
            about["response_message_ephemeral"] = message.visible_to is not None
            if kind is not CallbackType.DEFERRED_MESSAGE:
                resource["message"] = self._payloads.message(message)
        return {"interaction": about, "resource": resource}


def _checked_choices(data: Json) -> list[Json]:
    form = Form()
    choices = form.objects(["data", "choices"], data.get("choices"), 25)
    for index, choice in enumerate(choices):
        here: list[str | int] = ["data", "choices", index]
        form.text([*here, "name"], choice.get("name"), 100, 1, required=True)
        if isinstance(choice.get("value"), str):
            form.text([*here, "value"], choice["value"], 100, 1)
        else:
            form.required([*here, "value"], choice.get("value"))
    form.check()
    return choices

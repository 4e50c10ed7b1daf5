"""Slash and context commands, autocomplete, buttons, selects and modals, as a member uses them.

Each returns the id of the interaction that was sent to the bot.
"""

from __future__ import annotations

from typing import Any

from ..actions.interaction_actions import Invocation
from ..actions.services import Services
from ..errors import ClientRefusedError, Json
from ..payloads.people import member_payload, user_payload
from ..rules import command_form as types
from ..rules.component_form import LINK_STYLE, SELECTS, ComponentType, flatten
from ..rules.permissions import can_see
from ..state.application_records import CommandType, InteractionType
from ..state.message_records import Message
from ..state.records import Channel
from .command_input import CommandPicker, OptionReader
from .modal_input import modal_components

_SELECT_ENTITIES = {
    ComponentType.USER_SELECT: types.USER,
    ComponentType.ROLE_SELECT: types.ROLE,
    ComponentType.MENTIONABLE_SELECT: types.MENTIONABLE,
    ComponentType.CHANNEL_SELECT: types.CHANNEL,
}


class InteractionOperations:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._world = services.world
        self._picker = CommandPicker(services)

    def slash(self, user_id: int, channel_id: int, name: str, options: Json) -> int:
        channel = self._seen(channel_id, user_id)
        chosen = self._picker.pick(CommandType.CHAT_INPUT, name, channel, user_id)
        reader = OptionReader(self._services, channel, user_id)
        data = chosen.data(reader.read(chosen, options), reader.resolved)
        kind = InteractionType.APPLICATION_COMMAND
        return self._begin(Invocation(kind, user_id, channel_id, data, chosen.full_name))

    def autocomplete(
        self, user_id: int, channel_id: int, name: str, focused: str, typed: str, options: Json
    ) -> int:
        channel = self._seen(channel_id, user_id)
        chosen = self._picker.pick(CommandType.CHAT_INPUT, name, channel, user_id)
        if not any(p["name"] == focused and p.get("autocomplete") for p in chosen.parameters):
            raise ClientRefusedError(f"/{name}: {focused!r} has no autocomplete")
        reader = OptionReader(self._services, channel, user_id)
        data = chosen.data(reader.read(chosen, {**options, focused: typed}, focused), reader.resolved)
        kind = InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE
        return self._begin(Invocation(kind, user_id, channel_id, data, chosen.full_name))

    def message_command(self, user_id: int, message_id: int, name: str) -> int:
        message = self._world.any_message(message_id)
        channel = self._seen(message.channel_id, user_id)
        chosen = self._picker.pick(CommandType.MESSAGE, name, channel, user_id)
        payload = self._services.payloads.message(message)
        data = chosen.data([], {"messages": {str(message_id): payload}})
        data["target_id"] = str(message_id)
        kind = InteractionType.APPLICATION_COMMAND
        return self._begin(Invocation(kind, user_id, channel.id, data, name, message_id))

    def user_command(self, user_id: int, channel_id: int, target_id: int, name: str) -> int:
        channel = self._seen(channel_id, user_id)
        chosen = self._picker.pick(CommandType.USER, name, channel, user_id)
        resolved: Json = {"users": {str(target_id): user_payload(self._world.user(target_id))}}
        if channel.guild_id is not None:
            guild = self._world.guild(channel.guild_id)
            member = self._world.member(guild.id, target_id)
            payload = member_payload(self._world, guild, member, with_user=False)
            resolved["members"] = {str(target_id): payload}
        data = chosen.data([], resolved)
        data["target_id"] = str(target_id)
        kind = InteractionType.APPLICATION_COMMAND
        return self._begin(Invocation(kind, user_id, channel.id, data, name))

    def click(self, user_id: int, message_id: int, button: str) -> int:
        """`button` is a custom id, or the label or emoji on it."""
        message, channel = self._message(message_id, user_id)
        found = [c for c in flatten(message.components) if c["type"] == 2 and _is_called(c, button)]
        if not found:
            shown = [_name(c) for c in flatten(message.components) if c["type"] == 2]
            raise ClientRefusedError(f"there is no button {button!r}, only {shown}")
        if found[0].get("disabled") or found[0].get("style") == LINK_STYLE:
            raise ClientRefusedError(f"the button {button!r} cannot be pressed")
        data = {"custom_id": found[0]["custom_id"], "component_type": 2, "id": found[0]["id"]}
        kind = InteractionType.MESSAGE_COMPONENT
        return self._begin(Invocation(kind, user_id, channel.id, data, message_id=message.id))

    def select(self, user_id: int, message_id: int, select: str | None, values: list[Any]) -> int:
        """`select` is a custom id or placeholder; nothing where the message has one menu only."""
        message, channel = self._message(message_id, user_id)
        menus = [c for c in flatten(message.components) if c["type"] in SELECTS]
        found = [m for m in menus if select in (None, m["custom_id"], m.get("placeholder"))]
        if len(found) != 1 or found[0].get("disabled"):
            raise ClientRefusedError(f"there is no menu {select!r} to choose from")
        menu = found[0]
        if not menu.get("min_values", 1) <= len(values) <= menu.get("max_values", 1):
            raise ClientRefusedError(
                f"{len(values)} values are too few or too many for {menu['custom_id']!r}"
            )
        reader = OptionReader(self._services, channel, user_id)
        chosen = [
            _choice(menu, value) or reader.entity(_SELECT_ENTITIES[menu["type"]], value) for value in values
        ]
        data: Json = {
            "custom_id": menu["custom_id"],
            "component_type": menu["type"],
            "id": menu["id"],
            "values": chosen,
        }
        if reader.resolved:
            data["resolved"] = reader.resolved
        kind = InteractionType.MESSAGE_COMPONENT
        return self._begin(Invocation(kind, user_id, channel.id, data, message_id=message.id))

    def submit_modal(self, user_id: int, interaction_id: int, values: Json) -> int:
        """Answers the modal of that interaction; `values` by custom id or label."""
        opener = self._world.interaction(interaction_id)
        if opener.modal is None or opener.user_id != user_id:
            raise ClientRefusedError("no modal is open")
        data = {
            "custom_id": opener.modal["custom_id"],
            "components": modal_components(opener.modal, values),
        }
        kind = InteractionType.MODAL_SUBMIT
        return self._begin(Invocation(kind, user_id, opener.channel_id, data, opened_by=opener.id))

    def _begin(self, invocation: Invocation) -> int:
        return self._services.interactions.begin(invocation).id

    def _message(self, message_id: int, user_id: int) -> tuple[Message, Channel]:
        message = self._world.any_message(message_id)
        if message.deleted_at is not None or message.visible_to not in (None, user_id):
            raise ClientRefusedError("the member cannot see that message")
        channel = self._seen(message.channel_id, user_id)
        if channel.thread is not None and channel.thread.archived:
            raise ClientRefusedError("components cannot be used in an archived thread")
        return message, channel

    def _seen(self, channel_id: int, user_id: int) -> Channel:
        channel = self._world.channel(channel_id)
        if not can_see(self._world, channel, user_id):
            raise ClientRefusedError("the member cannot see that channel")
        return channel


def _is_called(button: Json, name: str) -> bool:
    return name in (button.get("custom_id"), button.get("label"), (button.get("emoji") or {}).get("name"))


def _name(button: Json) -> str:
    return f"{button.get('label') or (button.get('emoji') or {}).get('name')} ({button.get('custom_id')})"


def _choice(menu: Json, value: Any) -> str | None:
    """The value of a string menu's option, given by value or label; nothing for other kinds of menu."""
    if menu["type"] != ComponentType.STRING_SELECT:
        return None
    for option in menu["options"]:
        if value in (option["value"], option["label"]):
            return str(option["value"])
    raise ClientRefusedError(f"{value!r} is not in the menu {menu['custom_id']!r}")

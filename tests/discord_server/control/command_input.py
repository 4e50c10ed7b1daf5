"""What Discord's client makes of a typed command: finds it, checks the values, fills the `options`.

Whatever the client would not accept raises ClientRefusedError, and the bot never hears of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..actions.services import Services
from ..errors import ClientRefusedError, Json
from ..payloads.channels import partial_channel_payload
from ..payloads.people import member_payload, role_payload, user_payload
from ..rules import command_form as types
from ..rules.permissions import ALL, Permission, channel_permissions
from ..state.application_records import Command, CommandType
from ..state.message_records import Attachment
from ..state.records import Channel
from .member_operations import as_upload

_LARGEST = 2**53


@dataclass(frozen=True)
class CommandInput:
    """A command as chosen, down to its sub-command: `path` are the names below the command's own."""

    command: Command
    path: list[Json]
    parameters: list[Json]

    @property
    def full_name(self) -> str:
        return " ".join([self.command.name, *(step["name"] for step in self.path)])

    def data(self, options: list[Json], resolved: Json) -> Json:
        """The `data` of the interaction, sub-commands nested around the options."""
        for step in reversed(self.path):
            options = [{"name": step["name"], "type": step["type"], "options": options}]
        data: Json = {
            "id": str(self.command.id),
            "name": self.command.name,
            "type": int(self.command.type),
            "options": options,
        }
        if resolved:
            data["resolved"] = resolved
        if self.command.guild_id is not None:
            data["guild_id"] = str(self.command.guild_id)
        return data


class CommandPicker:
    """The commands that a member is offered in a channel."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def pick(self, kind: CommandType, name: str, channel: Channel, user_id: int) -> CommandInput:
        words = [name] if kind is not CommandType.CHAT_INPUT else name.lstrip("/").split()
        command = self._command(kind, words[0], channel, user_id)
        path: list[Json] = []
        level: list[Json] = command.definition.get("options") or []
        for word in words[1:]:
            step = next((o for o in level if o["name"] == word and o["type"] in (1, 2)), None)
            if step is None:
                raise ClientRefusedError(f"/{name}: there is no sub-command {word!r}")
            path.append(step)
            level = step.get("options") or []
        if any(option["type"] in (1, 2) for option in level):
            raise ClientRefusedError(f"/{name} needs a sub-command")
        return CommandInput(command, path, level)

    def _command(self, kind: CommandType, name: str, channel: Channel, user_id: int) -> Command:
        scopes = [None] if channel.guild_id is None else [channel.guild_id, None]
        for scope in scopes:
            for command in self._services.commands.listed(scope):
                if command.type is kind and command.name == name:
                    self._require_offered(command, channel, user_id)
                    return command
        raise ClientRefusedError(f"there is no command {name!r} here")

    def _require_offered(self, command: Command, channel: Channel, user_id: int) -> None:
        if channel.thread is not None and channel.thread.archived:
            raise ClientRefusedError("no commands in an archived thread")
        here = 1 if channel.guild_id is None else 0
        contexts = command.definition.get("contexts")
        if here not in (contexts or [0, 1]) or (here and command.definition.get("dm_permission") is False):
            where = "direct messages" if here else "servers"
            raise ClientRefusedError(f"{command.name!r} is not offered in {where}")
        if here:
            return
        bits = channel_permissions(self._services.world, channel, user_id)
        if not bits & Permission.USE_APPLICATION_COMMANDS:
            raise ClientRefusedError("the member may not use commands here")
        needed = command.definition.get("default_member_permissions")
        if needed is not None and bits != ALL and (int(needed) == 0 or bits & int(needed) != int(needed)):
            raise ClientRefusedError(f"{command.name!r} is hidden from the member (permissions)")


@dataclass
class OptionReader:
    """Turns given values into `options` and `resolved`."""

    services: Services
    channel: Channel
    user_id: int
    resolved: dict[str, Json] = field(default_factory=dict)

    def read(self, chosen: CommandInput, values: Json, focused: str | None = None) -> list[Json]:
        """Options in the command's order. With `focused` nothing is required and values are as typed."""
        known = {parameter["name"] for parameter in chosen.parameters}
        unknown = values.keys() - known
        if unknown:
            raise ClientRefusedError(
                f"/{chosen.full_name} has no option {sorted(unknown)}, only {sorted(known)}"
            )
        options = []
        for parameter in chosen.parameters:
            name, given = parameter["name"], values.get(parameter["name"])
            if given is None:
                if parameter.get("required") and focused is None:
                    raise ClientRefusedError(f"/{chosen.full_name}: {name!r} is required")
                continue
            option: Json = {"name": name, "type": parameter["type"]}
            if name == focused:
                option |= {"value": str(given), "focused": True}
            else:
                option["value"] = self._value(parameter, given)
            options.append(option)
        return options

    def _value(self, parameter: Json, given: Any) -> Any:
        kind, name = parameter["type"], parameter["name"]
        choices = parameter.get("choices")
        if choices:
            found = [c["value"] for c in choices if given in (c["value"], c["name"])]
            if not found:
                raise ClientRefusedError(f"{given!r} is not a choice of {name!r}")
            return found[0]
        if kind == types.STRING:
            low, high = parameter.get("min_length") or 0, parameter.get("max_length") or 6000
            return _within(name, str(given).strip(), len(str(given).strip()), low, high)
        if kind in (types.INTEGER, types.NUMBER):
            number = int(given) if kind == types.INTEGER else float(given)
            low, high = parameter.get("min_value", -_LARGEST), parameter.get("max_value", _LARGEST)
            return _within(name, number, number, low, high)
        if kind == types.BOOLEAN:
            return bool(given)
        if kind == types.ATTACHMENT:
            return self.attachment(given)
        return self.entity(kind, int(given))

    def entity(self, kind: int, entity_id: int) -> str:
        """A user, role or channel as an id, with the object in `resolved`."""
        world = self.services.world
        guild = None if self.channel.guild_id is None else world.guild(self.channel.guild_id)
        if kind in (types.ROLE, types.MENTIONABLE) and guild is not None and entity_id in guild.roles:
            self._add("roles", entity_id, role_payload(guild.roles[entity_id]))
        elif kind == types.CHANNEL:
            payload = partial_channel_payload(world, world.channel(entity_id), self.user_id)
            self._add("channels", entity_id, payload)
        else:
            self._add("users", entity_id, user_payload(world.user(entity_id)))
            if guild is not None and entity_id in guild.members:
                member = member_payload(world, guild, guild.members[entity_id], with_user=False)
                bits = channel_permissions(world, self.channel, entity_id)
                self._add("members", entity_id, {**member, "permissions": str(int(bits))})
        return str(entity_id)

    def attachment(self, file: Json) -> str:
        upload = as_upload("0", file)
        world = self.services.world
        attachment = Attachment(
            world.ids.next(), upload.filename, upload.content_type, upload.data, ephemeral=True
        )
        world.state.uploads[attachment.id] = attachment
        payload = self.services.payloads.attachment(self.channel.id, attachment)
        self._add("attachments", attachment.id, payload)
        return str(attachment.id)

    def _add(self, kind: str, entity_id: int, payload: Json) -> None:
        self.resolved.setdefault(kind, {})[str(entity_id)] = payload


def _within(name: str, value: Any, measure: float, low: float, high: float) -> Any:
    if not low <= measure <= high:
        raise ClientRefusedError(f"{name!r} must be between {low} and {high}, not {measure}")
    return value

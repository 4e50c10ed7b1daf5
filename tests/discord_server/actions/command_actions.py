"""Registering application commands, global and per guild ("Application Commands")."""

from __future__ import annotations

from ..errors import DAILY_COMMAND_CREATES, MAXIMUM_COMMANDS, UNKNOWN_COMMAND, Json
from ..rules.command_form import PER_SCOPE, check_command
from ..rules.forms import Form
from ..state.application_records import Command, CommandType
from ..state.world import World

CREATES_PER_DAY = 200
_DEFAULTS: Json = {
    "name_localizations": None,
    "description": "",
    "description_localizations": None,
    "default_member_permissions": None,
    "nsfw": False,
    "options": [],
}
_GLOBAL_DEFAULTS: Json = {"dm_permission": True, "contexts": None, "integration_types": [0]}
_HELD_ELSEWHERE = ("id", "type", "name", "version", "application_id", "guild_id")


class CommandActions:
    def __init__(self, world: World) -> None:
        self._world = world

    def listed(self, guild_id: int | None) -> list[Command]:
        """Commands of one scope: a guild's own, or the global ones."""
        return [c for c in self._world.state.commands.values() if c.guild_id == guild_id]

    def find(self, guild_id: int | None, command_id: int) -> Command:
        command = self._world.state.commands.get(command_id)
        if command is None or command.guild_id != guild_id:
            raise UNKNOWN_COMMAND.error()
        return command

    def overwrite(self, guild_id: int | None, definitions: list[Json]) -> list[Command]:
        """Bulk Overwrite: these commands and no others; those of the same name and type keep their id."""
        form = Form()
        seen: set[tuple[CommandType, str]] = set()
        for index, definition in enumerate(definitions):
            check_command(form, [index], definition)
            if not isinstance(definition.get("name"), str):
                continue
            key = _key(definition)
            if key in seen:
                code = "APPLICATION_COMMANDS_DUPLICATE_NAME"
                form.add([index, "name"], code, "Application command names must be unique")
            seen.add(key)
        form.check()
        for kind, limit in PER_SCOPE.items():
            if sum(1 for known_kind, _ in seen if known_kind is kind) > limit:
                raise MAXIMUM_COMMANDS.error()
        known = {(c.type, c.name): c for c in self.listed(guild_id)}
        for key, command in known.items():
            if key not in seen:
                del self._world.state.commands[command.id]
        return [self._put(guild_id, definition, known.get(_key(definition))) for definition in definitions]

    def upsert(self, guild_id: int | None, definition: Json) -> tuple[Command, bool]:
        """Create, or change the one of this name and type; second value: whether it is new."""
        form = Form()
        check_command(form, [], definition)
        form.check()
        kind, name = _key(definition)
        same_kind = [c for c in self.listed(guild_id) if c.type is kind]
        known = next((c for c in same_kind if c.name == name), None)
        if known is None and len(same_kind) >= PER_SCOPE[kind]:
            raise MAXIMUM_COMMANDS.error()
        return self._put(guild_id, definition, known), known is None

    def edit(self, guild_id: int | None, command_id: int, changes: Json) -> Command:
        command = self.find(guild_id, command_id)
        definition = {"type": int(command.type), "name": command.name, **command.definition, **changes}
        form = Form()
        check_command(form, [], definition)
        form.check()
        return self._put(guild_id, definition, command)

    def delete(self, guild_id: int | None, command_id: int) -> None:
        del self._world.state.commands[self.find(guild_id, command_id).id]

    def payload(self, command: Command) -> Json:
        payload = {
            "id": str(command.id),
            "application_id": str(self._world.application.id),
            "version": str(command.version),
            "type": int(command.type),
            "name": command.name,
            **_DEFAULTS,
            **command.definition,
        }
        if payload["default_member_permissions"] is not None:
            payload["default_member_permissions"] = str(payload["default_member_permissions"])
        if command.guild_id is not None:
            return {**payload, "guild_id": str(command.guild_id)}
        return {**_GLOBAL_DEFAULTS, **payload}

    def _put(self, guild_id: int | None, definition: Json, known: Command | None) -> Command:
        kind, name = _key(definition)
        kept = {key: value for key, value in definition.items() if key not in _HELD_ELSEWHERE}
        if known is None:
            self._count_create(guild_id)
            new_id = self._world.ids.next()
            command = Command(new_id, new_id, kind, name, guild_id, kept)
            self._world.state.commands[new_id] = command
            return command
        if (known.name, known.definition) != (name, kept):
            known.version = self._world.ids.next()
        known.name, known.definition = name, kept
        return known

    def _count_create(self, guild_id: int | None) -> None:
        """ "A global rate limit of 200 application command creates per day, per guild"."""
        now = self._world.clock.now()
        creates = [(g, t) for g, t in self._world.state.command_creates if now - t < 86400]
        scope = guild_id or 0
        if sum(1 for g, _ in creates if g == scope) >= CREATES_PER_DAY:
            raise DAILY_COMMAND_CREATES.error()
        self._world.state.command_creates = [*creates, (scope, now)]


def _key(definition: Json) -> tuple[CommandType, str]:
    return CommandType(definition.get("type") or 1), str(definition.get("name"))

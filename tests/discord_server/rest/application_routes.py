"""The application itself, its commands, and the address of the gateway."""

from __future__ import annotations

from ..actions.services import Services
from ..errors import MISSING_ACCESS, UNKNOWN_APPLICATION, UNKNOWN_COMMAND_PERMISSIONS, Json
from ..gateway.handshake import Handshake
from ..payloads.people import application_payload
from ..rules.forms import Form
from .calls import NO_CONTENT, Call, Endpoint, Reply


class ApplicationRoutes:
    def __init__(self, services: Services, handshake: Handshake) -> None:
        self._world = services.world
        self._commands = services.commands
        self._handshake = handshake

    def endpoints(self) -> list[Endpoint]:
        listed = [
            Endpoint("GET", "/gateway", self.gateway, token=False),
            Endpoint("GET", "/gateway/bot", self.gateway_bot),
            Endpoint("GET", "/oauth2/applications/@me", self.application),
            Endpoint("GET", "/applications/@me", self.application),
            Endpoint("PATCH", "/applications/@me", self.edit_application),
        ]
        application = "/applications/{application_id}"
        for scope in (application, application + "/guilds/{guild_id}"):
            commands = scope + "/commands"
            listed += [
                Endpoint("GET", commands, self.list_commands),
                Endpoint("PUT", commands, self.overwrite_commands),
                Endpoint("POST", commands, self.create_command),
                Endpoint("GET", commands + "/{command_id}", self.get_command),
                Endpoint("PATCH", commands + "/{command_id}", self.edit_command),
                Endpoint("DELETE", commands + "/{command_id}", self.delete_command),
            ]
        permissions = application + "/guilds/{guild_id}/commands/{command_id}/permissions"
        return [*listed, Endpoint("GET", permissions, self.command_permissions)]

    def gateway(self, call: Call) -> Reply:
        return Reply({"url": self._handshake.url})

    def gateway_bot(self, call: Call) -> Reply:
        settings = self._handshake.settings
        limit = {
            "total": settings.session_starts,
            "remaining": max(0, settings.session_starts - self._handshake.starts),
            "reset_after": 86_400_000,
            "max_concurrency": settings.max_concurrency,
        }
        return Reply({"url": self._handshake.url, "shards": settings.shards, "session_start_limit": limit})

    def application(self, call: Call) -> Reply:
        return Reply(application_payload(self._world))

    def edit_application(self, call: Call) -> Reply:
        form = Form()
        form.text(["description"], call.form.get("description"), 400)
        form.check()
        application = self._world.application
        application.description = str(call.form.get("description", application.description))
        return self.application(call)

    def list_commands(self, call: Call) -> Reply:
        found = self._commands.listed(self._scope(call))
        return Reply([self._commands.payload(command) for command in found])

    def overwrite_commands(self, call: Call) -> Reply:
        form = Form()
        definitions: list[Json] = form.objects([], call.body if call.body is not None else [], 130)
        form.check()
        found = self._commands.overwrite(self._scope(call), definitions)
        return Reply([self._commands.payload(command) for command in found])

    def create_command(self, call: Call) -> Reply:
        command, is_new = self._commands.upsert(self._scope(call), call.form)
        return Reply(self._commands.payload(command), 201 if is_new else 200)

    def get_command(self, call: Call) -> Reply:
        command = self._commands.find(self._scope(call), call.id("command_id"))
        return Reply(self._commands.payload(command))

    def edit_command(self, call: Call) -> Reply:
        command = self._commands.edit(self._scope(call), call.id("command_id"), call.form)
        return Reply(self._commands.payload(command))

    def delete_command(self, call: Call) -> Reply:
        self._commands.delete(self._scope(call), call.id("command_id"))
        return NO_CONTENT

    def command_permissions(self, call: Call) -> Reply:
        """Nobody has changed any here, which Discord answers with an error."""
        scope = self._scope(call)
        command_id = call.id("command_id")
        known = self._world.state.commands.get(command_id)
        if known is None or known.guild_id not in (None, scope):
            self._commands.find(scope, command_id)
        raise UNKNOWN_COMMAND_PERMISSIONS.error()

    def _scope(self, call: Call) -> int | None:
        """The guild of the path, or nothing for global commands. Raises 10002, 10004, 50001."""
        if call.id("application_id") != self._world.application.id:
            raise UNKNOWN_APPLICATION.error()
        if "guild_id" not in call.parameters:
            return None
        guild_id = call.id("guild_id")
        if self._world.bot.id not in self._world.guild(guild_id).members:
            raise MISSING_ACCESS.error()
        return guild_id

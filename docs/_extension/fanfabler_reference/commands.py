"""The slash commands: the whole bot is put together as it is at a start, without a Discord, and what it would
register there is written down."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Iterator

import discord
from discord import app_commands

from bot.application import build_bot, open_foundation
from bot.settings import Settings
from fanfabler_reference.markdown import cell, code, table

_OPERATORS = discord.Object(1)
_PERMISSIONS = {"manage_guild": "Manage Server"}  # as Discord shows them to people
_Command = app_commands.Command | app_commands.Group | app_commands.ContextMenu


async def registered() -> tuple[list[_Command], list[_Command]]:
    """The commands for everyone, and those for the operator's servers."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            _env_file=None,
            database_url=f"sqlite+aiosqlite:///{folder}/docs.db",
            worker_url="http://127.0.0.1:9/v1",
            operator_guild_ids=(_OPERATORS.id,),
        )
        async with open_foundation(settings) as foundation:
            client = build_bot(foundation)
            async with client:
                await client.register()
                menus = [discord.AppCommandType.message, discord.AppCommandType.user]
                kinds = [discord.AppCommandType.chat_input, *menus]
                everyone = [c for kind in kinds for c in client.tree.get_commands(type=kind)]
                operators = [
                    c for kind in kinds for c in client.tree.get_commands(guild=_OPERATORS, type=kind)
                ]
                return everyone, operators


def page() -> str:
    """A section for each command, in groups."""
    logging.disable(logging.WARNING)  # what is told at a start is of no use here, and Sphinx would show it
    try:
        everyone, operators = asyncio.run(registered())
    finally:
        logging.disable(logging.NOTSET)
    parts = [*_chapter("Everywhere", everyone)]
    if operators:
        parts += _chapter("In the operator's servers", operators)
    return "\n".join(parts)


def _chapter(heading: str, found: list[_Command]) -> Iterator[str]:
    yield f"## {heading}\n"
    for command in sorted(found, key=lambda c: (isinstance(c, app_commands.ContextMenu), c.name)):
        if isinstance(command, app_commands.ContextMenu):
            yield f"### Apps › {command.name}\n\nIn the menu of a message.\n"
        elif isinstance(command, app_commands.Group):
            leaves = [c for c in command.walk_commands() if isinstance(c, app_commands.Command)]
            for leaf in sorted(leaves, key=lambda c: c.qualified_name):
                yield from _slash(leaf, command.default_permissions)
        else:
            yield from _slash(command, command.default_permissions)


def _slash(
    command: app_commands.Command[object, ..., object], needed: discord.Permissions | None
) -> Iterator[str]:
    yield f"### /{command.qualified_name}\n\n{cell(command.description)}.\n"
    if needed is not None and (names := [_PERMISSIONS.get(name, name) for name, on in needed if on]):
        yield f"*Needs {', '.join(names)}, unless the server decides otherwise.*\n"
    rows = []
    for option in command.parameters:
        choices = ", ".join(f"«{choice.name}»" for choice in option.choices)
        limits = [
            f"{word} {value}"
            for word, value in (("from", option.min_value), ("to", option.max_value))
            if value is not None
        ]
        takes = choices or " ".join([option.type.name.replace("_", " "), *limits])
        rows.append(
            (
                code(option.display_name),
                cell(takes),
                "yes" if option.required else "",
                cell(str(option.description)) + (" (with suggestions)" if option.autocomplete else ""),
            )
        )
    if rows:
        yield table(("option", "takes", "needed", ""), rows)

"""Commands as they stand in texts: a mention that opens the command where Discord has said its id, else its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from discord import AppCommandOptionType, AppCommandType, app_commands

from bot.words import Words
from bot.words.direction import ISOLATE, POP

# How the catalogues write a command; where they are written from right to left, in an isolate.
_WRITTEN = re.compile(rf"\*\*({ISOLATE}?)/([^*\n{POP}]+)({POP}?)\*\*")


class CommandMentions:
    """Knows the ids of the commands, the global ones and those of single servers."""

    def __init__(self) -> None:
        self._ids: dict[int | None, dict[str, int]] = {}
        """By server (None: everywhere) and by path: `story start`."""

    def learn(self, commands: Iterable[app_commands.AppCommand], guild_id: int | None = None) -> None:
        """Discord has these commands in a server, or everywhere (None)."""
        self._ids[guild_id] = {
            path: command.id
            for command in commands
            if command.type is AppCommandType.chat_input
            for path in _paths(command.name, command.options)
        }

    def told(self, words: Words, path: str, guild_id: int | None = None) -> str:
        """A command by its English path (`story start`). A mention bears the English names, as Discord wants it, and
        shows them; a name alone is the one in the reader's language."""
        known = self._ids.get(guild_id, {}).get(path) or self._ids.get(None, {}).get(path)
        return f"</{path}:{known}>" if known is not None else f"**/{_localised(words, path)}**"

    def linked(self, words: Words, text: str, guild_id: int | None = None) -> str:
        """A text from the catalogue, in which what stands there as `**/story start**`, in the reader's language, has
        become a mention."""
        if not _WRITTEN.search(text):
            return text
        paths = {path for where in (None, guild_id) for path in self._ids.get(where, {})}
        # A catalogue that lacks the text has it in English.
        named = {path: path for path in paths} | {_localised(words, path): path for path in paths}

        def mention(found: re.Match[str]) -> str:
            path = named.get(found[2])
            return f"{found[1]}{self.told(words, path, guild_id)}{found[3]}" if path is not None else found[0]

        return _WRITTEN.sub(mention, text)


def _paths(
    path: str, options: Iterable[app_commands.AppCommandGroup | app_commands.Argument]
) -> Iterator[str]:
    """The commands that can be used: a group by itself cannot."""
    below = [option for option in options if isinstance(option, app_commands.AppCommandGroup)]
    if not below:
        yield path
    for option in below:
        if option.type is AppCommandOptionType.subcommand:
            yield f"{path} {option.name}"
        else:
            yield from _paths(f"{path} {option.name}", option.options)


def _localised(words: Words, path: str) -> str:
    return " ".join(words.say(name) for name in path.split(" "))

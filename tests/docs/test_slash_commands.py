"""Slash commands in the documentation are registered ones, with options that they have; and none is left out of the
README and the guides."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from discord import app_commands

from model.server import openapi as worker
from tests.docs.test_commands import PAGES, ROOT
from training.serving import openapi as trainer

sys.path.insert(0, str(ROOT / "docs" / "_extension"))
from fanfabler_reference.commands import registered

TEXTS = [page for page in PAGES if page.suffix == ".md"]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("guide/*.md"))]
ROUTES = {path for _, path in [*worker.OPERATIONS, *trainer.OPERATIONS]}
PLACE = re.compile(r"/(etc|opt|proc|srv|var|run|data|tmp|usr|health|metrics|backups|path)(/|$)")
"""Paths on a disk or in an address, which begin with a slash too."""


@cache
def tree() -> dict[str, app_commands.Command[Any, ..., Any] | app_commands.Group]:
    """Every command and group by its full name."""
    found: dict[str, app_commands.Command[Any, ..., Any] | app_commands.Group] = {}
    for command in [c for commands in asyncio.run(registered()) for c in commands]:
        if isinstance(command, app_commands.ContextMenu):
            continue
        found.setdefault(command.qualified_name, command)
        if isinstance(command, app_commands.Group):
            found |= {inner.qualified_name: inner for inner in command.walk_commands()}
    return found


def split(text: str) -> tuple[str, list[str]]:
    """The command that a text begins with, and the words that follow."""
    words = text.removeprefix("/").split()
    name = ""
    while words and f"{name} {words[0]}".strip() in tree():
        name = f"{name} {words.pop(0)}".strip()
    return name, words


def mistake(text: str) -> str | None:
    """What is wrong with a command as it is written: `/name subcommand option [option]`."""
    name, words = split(text)
    if not name:
        return f"there is no command {text.split(maxsplit=1)[0]}"
    command = tree()[name]
    if isinstance(command, app_commands.Group):
        return f"/{name} has no {words[0]!r}" if words and words[0] != "…" else None
    options = {parameter.display_name: parameter.required for parameter in command.parameters}
    for word in words:
        option = word.strip("[]")
        if option not in options:
            return f"/{name} has no option {option!r}"
        if options[option] == word.startswith("["):
            return f"/{name}: {option!r} is {'needed' if options[option] else 'not needed'}"
    return None


def written(text: str) -> Iterator[str]:
    """Commands in a page's running text."""
    for found in re.findall(r"`(/[a-z][^`\n]*)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)):
        if not PLACE.match(found) and found.split("?")[0] not in ROUTES and not found.startswith("/v1"):
            yield found


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_slash_commands_are_registered(page: Path) -> None:
    assert [wrong for text in written(page.read_text()) if (wrong := mistake(text))] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/storey start", "no command /storey"),
        ("/story begin", "no 'begin'"),
        ("/story start prompt [colour]", "no option 'colour'"),
        ("/story start [prompt]", "is needed"),
        ("/admin stats days", "is not needed"),
    ],
)
def test_a_wrong_command_is_found_out(text: str, said: str) -> None:
    assert said in (mistake(text) or "nothing")
    assert list(written(f"Type `{text}` there.")) == [text]


def test_there_are_commands_to_be_looked_at() -> None:
    assert sum(len(list(written(page.read_text()))) for page in TEXTS) > 40


def test_every_command_is_explained() -> None:
    explained: set[str] = set()
    for line in (line for page in GUIDES for line in page.read_text().splitlines()):
        group = ""
        for code in re.findall(r"`([^`]+)`", line):
            # `/story pin`, `pins`: what follows without a slash is of the same group.
            name, _ = split(code if code.startswith("/") else f"/{group} {code}")
            explained.add(name)
            group = name.rpartition(" ")[0] if code.startswith("/") else group
    leaves = {name for name, command in tree().items() if isinstance(command, app_commands.Command)}
    assert leaves - explained == set()

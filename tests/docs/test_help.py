"""`--help` of every command says what the command does, what each option takes, and what it is without."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.docs.test_commands import PARSERS, ROOT, leaves
from tests.release.test_release import PROJECT

COMMANDS = [command for parser in PARSERS.values() for command in leaves(parser())]


def arguments(command: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    return (action for action in command._actions if not isinstance(action, argparse._HelpAction))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.prog)
def test_it_says_what_the_command_does(command: argparse.ArgumentParser) -> None:
    assert command.description is not None
    assert re.fullmatch(r"[A-Z].*[.…]", command.description, re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.prog)
def test_each_option_says_what_it_is_and_what_it_takes(command: argparse.ArgumentParser) -> None:
    for action in arguments(command):
        assert action.help, action.dest
        if action.option_strings and action.nargs != 0 and action.choices is None:
            # argparse's own is the option's name in capitals, which says nothing.
            assert action.metavar is not None, action.dest


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.prog)
def test_each_default_is_told(command: argparse.ArgumentParser) -> None:
    for action in arguments(command):
        if action.nargs != 0 and action.default not in (None, [], argparse.SUPPRESS):
            assert "default:" in (action.help or ""), action.dest


@pytest.mark.parametrize("program", PARSERS)
def test_a_program_says_its_version(program: str) -> None:
    said = subprocess.run(
        [sys.executable, "-m", program, "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert said.stdout == f"FanFabler {PROJECT['version']}\n"

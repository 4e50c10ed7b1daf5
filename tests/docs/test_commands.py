"""Commands in the documentation are real: each is read by the program's own parser."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from bot.__main__ import _parser as bot_parser
from model.__main__ import _parser as model_parser
from tests.reliability.__main__ import parser as reliability_parser
from training.__main__ import _parser as training_parser

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
    *(ROOT / "training" / name / "README.md" for name in ("data", "generation")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "docs").rglob("*.service")),
]  # fmt: skip
PARSERS = {"bot": bot_parser, "model": model_parser, "training": training_parser}
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
PROGRAM = re.compile(r"(?<!`)python3? -m (bot|model|training)(?![.\w])(.*)")
ENDS = re.compile(r"\s[|>&;]+(\s|$)|\s#\s|$")


def blocks(page: Path) -> Iterator[str]:
    """Lines of code of a page, fenced or indented, those that go on over an end of line in one piece."""
    if page.suffix == ".service":
        yield from re.sub(r"\\\n\s*", " ", page.read_text()).splitlines()
        return
    lines, fence = [], False
    for line in page.read_text().splitlines():
        if re.match(r"\s*(```|:::)", line):
            fence = not fence and "```" in line
        elif fence or re.match(r"    |\t", line):
            lines.append(line.strip())
    yield from re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()


def commands() -> Iterator[tuple[str, str, str]]:
    """(page, program, arguments) of everything that is written as a line of code."""
    for page in PAGES:
        for line in blocks(page):
            if found := arguments_of(line):
                yield str(page.relative_to(ROOT)), *found


def arguments_of(line: str) -> tuple[str, str] | None:
    """Which of our programs a line calls, and with what."""
    if (found := PROGRAM.search(line)) is None:
        return None
    return found[1], found[2][: ENDS.search(found[2]).start()].strip()  # type: ignore[union-attr]


def named() -> Iterator[tuple[str, str, list[str]]]:
    """(page, program, words) of what is named in running text; alternatives and placeholders may stand there."""
    for page in PAGES:
        for text in re.findall(r"`(python -m (?:bot|model|training)(?![.\w])[^`]*)`", page.read_text()):
            found = PROGRAM.match(" ".join(text.replace("\\|", "|").split()))
            assert found is not None
            yield str(page.relative_to(ROOT)), found[1], found[2].split()


def complaint(parser: argparse.ArgumentParser, arguments: list[str]) -> str | None:
    """What the parser has against these arguments."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser.parse_args(arguments)
        except SystemExit as error:
            return said.getvalue() if error.code else None
    return None


def test_there_are_commands_to_be_looked_at() -> None:
    assert len(list(commands())) > 20
    assert len(list(named())) > 10


def test_a_command_that_is_not_there_is_found_out() -> None:
    assert complaint(model_parser(), ["conjure"]) is not None
    assert complaint(training_parser(), ["finetune", "--recipe", "tiny", "--color"]) is not None
    assert complaint(training_parser(), ["finetune", "--recipe", "tiny"]) is None


def test_a_wrong_option_on_a_page_is_found_out(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("So:\n\n    .venv/bin/python -m model serve \\\n        --prest tiny  # the small one\n")
    (line,) = [line for line in blocks(page) if line]
    program, text = arguments_of(line) or ("", "")
    assert (program, shlex.split(text)) == ("model", ["serve", "--prest", "tiny"])
    assert "--prest" in (complaint(model_parser(), shlex.split("serve --prest tiny")) or "")


@pytest.mark.parametrize(("page", "program", "text"), sorted(set(commands())))
def test_a_command_line_is_understood(page: str, program: str, text: str) -> None:
    arguments = [word for word in shlex.split(text) if word != "…"]
    assert complaint(PARSERS[program](), arguments) is None


@pytest.mark.parametrize("program", PARSERS)
def test_what_is_named_in_running_text_is_there(program: str) -> None:
    help_of = {
        command.prog.removeprefix(f"python -m {program} "): command.format_help()
        for command in leaves(PARSERS[program]())
    }
    wrong = []
    for page, its_program, words in named():
        if its_program != program or not words or words == ["--help"]:
            continue
        command = next((c for c in help_of if " ".join(words).startswith(c)), None)
        options = re.findall(r"--[a-z][a-z-]*", " ".join(words))
        if words[0] not in {c.split()[0] for c in help_of} or (
            command is not None and any(option not in help_of[command] for option in options)
        ):
            wrong.append((page, words))
    assert wrong == []


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield parser
    for action in inner:
        for command in action.choices.values():
            yield from leaves(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_targets_of_make_are_there(page: Path) -> None:
    assert targets([*blocks(page), *code(page)]) - TARGETS == set()


def test_a_target_that_is_not_there_is_found_out() -> None:
    assert targets(["make PYTHON=python3.12 previw", "make tests-long", "make"]) - TARGETS == {
        "previw",
        "tests-long",
    }


def targets(lines: Iterable[str]) -> set[str]:
    """What `make` is asked for, which may stand behind its variables."""
    found = (re.match(r"make((?: [A-Z_]+=\S+)*) ([a-z][a-z-]*)", " ".join(line.split())) for line in lines)
    return {each[2] for each in found if each}


def code(page: Path) -> list[str]:
    """What is written as code in running text."""
    if page.suffix != ".md":
        return []
    return re.findall(
        r"`([^`]+)`", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    )


@pytest.mark.parametrize(
    "page",
    # Those speak of the options of vLLM, of llama.cpp and of the benchmarks.
    [page for page in PAGES if page.suffix == ".md" and page.stem not in {"scaling", "vllm", "benchmarks"}],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_options_that_are_named_by_themselves_are_there(page: Path) -> None:
    commands = (command for make in (*PARSERS.values(), reliability_parser) for command in leaves(make()))
    options = {
        option for command in commands for action in command._actions for option in action.option_strings
    }
    named = {found[0] for text in code(page) if (found := re.match(r"--[a-z][a-z-]*", text))}
    assert named - options == set()

"""The source files of the packages, as trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "model", "training", "migrations")


@cache
def trees() -> tuple[tuple[str, ast.Module], ...]:
    """Path, relative to the repository, and tree of each file."""
    files = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    assert len(files) > 300
    return tuple((file.relative_to(ROOT).as_posix(), ast.parse(file.read_bytes())) for file in files)


@cache
def nodes() -> tuple[tuple[str, ast.AST], ...]:
    """Every node of every file."""
    return tuple((path, node) for path, tree in trees() for node in ast.walk(tree))


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call, with its dotted name as far as it has one."""
    for path, node in nodes():
        if isinstance(node, ast.Call):
            yield path, ast.unparse(node.func), node

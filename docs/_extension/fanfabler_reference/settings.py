"""The settings: grouping and words from `.env.example`, which a test holds to the code; type, limits and who reads
it from the settings' classes, which are found and not listed."""

from __future__ import annotations

import importlib
import re
from collections import defaultdict
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from fanfabler_reference.markdown import code

_ROOT = Path(__file__).parents[3]
ENV_EXAMPLE = _ROOT / ".env.example"
_READERS = {"bot": "the bot", "model": "the worker", "training": "training"}


def classes() -> list[type[BaseSettings]]:
    """Every class of settings in the files called `settings.py`."""
    found = []
    for package in _READERS:
        for path in sorted((_ROOT / package).rglob("settings.py")):
            # Importing what has none would import the whole bot with it.
            if "BaseSettings" in path.read_text():
                name = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
                members = vars(importlib.import_module(name)).values()
                found += [
                    kind
                    for kind in members
                    if isinstance(kind, type) and issubclass(kind, BaseSettings) and kind.__module__ == name
                ]
    return found


def groups() -> list[tuple[str, list[tuple[str, str, str]]]]:
    """(heading, [(name, default, words)]) as `.env.example` has them."""
    result: list[tuple[str, list[tuple[str, str, str]]]] = []
    words: list[str] = []
    for line in ENV_EXAMPLE.read_text().splitlines():
        if heading := re.fullmatch(r"# --- (.+?) -+", line):
            result.append((heading[1], []))
            words = []
        elif line.startswith("# "):
            words.append(line[2:])
        elif setting := re.fullmatch(r"#?([A-Z_]+)=(.*)", line):
            result[-1][1].append((setting[1], setting[2], " ".join(words)))
        else:
            # Two settings below one comment share it.
            words = words if line and not line.startswith("#") else []
    return result


def page() -> str:
    """A definition each, in the groups of `.env.example`."""
    readers: dict[str, list[str]] = defaultdict(list)
    fields: dict[str, FieldInfo] = {}
    for kind in classes():
        for name, field in kind.model_fields.items():
            reader = _READERS[kind.__module__.split(".")[0]]
            if reader not in readers[name.upper()]:
                readers[name.upper()].append(reader)
            fields.setdefault(name.upper(), field)
    parts = []
    for heading, settings in groups():
        parts.append(f"## {heading}\n")
        for name, default, words in settings:
            facts = [_kind(name, fields[name]), f"read by {' and '.join(readers[name])}"]
            if default:
                facts.insert(1, f"default {code(default)}")
            parts.append(f"{code(name)}\n: {words}\n\n  *{'; '.join(facts)}*\n")
    return "\n".join(parts)


def _kind(name: str, field: FieldInfo) -> str:
    text = str(field.annotation)
    kinds = {
        "bool": "true or false",
        "Literal": " or ".join(re.findall(r"'(\w+)'", text)),
        "tuple": "numbers, by commas",
        "int": "a whole number",
        "float": "a number",
        "Path": "a path",
    }
    kind = next((kind for word, kind in kinds.items() if word in text), "text")
    if name.endswith(("_TOKEN", "_KEY")):
        kind = "a secret"
    limits = [
        f"{word} {getattr(rule, bound)}"
        for rule in field.metadata
        for bound, word in (("ge", "from"), ("le", "to"), ("gt", "above"), ("lt", "below"))
        if getattr(rule, bound, None) is not None
    ]
    return " ".join([kind, *limits])

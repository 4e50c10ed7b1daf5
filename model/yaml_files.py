"""YAML files that may extend one another: presets and recipes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from model.errors import ModelError


class BadYaml(ModelError):
    """The file cannot be read, or is not what it should be; the message names it and says why."""


def read_extending(path: Path, kind: str, shipped: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The fields of a file over those of the one that it `extends`, if it names one: beside it, or in `shipped`.

    `kind` is what such a file is called, for errors. Raises `BadYaml`.
    """
    if path in seen:
        raise BadYaml(f"{path} extends itself")
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadYaml(f"{path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadYaml(f"{path} is not valid YAML: {error}") from None
    if not isinstance(fields, dict):
        raise BadYaml(f"{path}: a {kind} is a mapping of fields")
    parent = fields.pop("extends", None)
    if parent is None:
        return fields
    beside = path.parent / f"{parent}.yaml"
    parent_path = beside if beside.is_file() else shipped / f"{parent}.yaml"
    under = read_extending(parent_path, kind, shipped, (*seen, path))
    return merge(under, fields)


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged; anything else, `null` too, replaces what was there."""
    merged = dict(under)
    for key, value in over.items():
        both = merged.get(key)
        merged[key] = merge(both, value) if isinstance(both, dict) and isinstance(value, dict) else value
    return merged

"""The adapters in the folder that they are loaded from, and which presets each goes with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.adapter_folder import CONFIG, read, same_base
from model.engine.errors import AdapterRefused
from model.preset import Preset

_DEEPEST = 3
_MOST = 200


@dataclass(frozen=True, slots=True)
class ListedAdapter:
    """One folder, by its path below that of all adapters."""

    path: str
    base: str
    rank: int | None
    prompt_format: str
    presets: tuple[str, ...]
    """Names of the presets that it goes with, as far as its files say."""
    fault: str | None = None
    """Why it cannot be loaded."""


def list_adapters(folder: Path, presets: Sequence[Preset]) -> list[ListedAdapter]:
    """What is there, by path; at most the first two hundred."""
    return [_listed(found, folder, presets) for found in sorted(_folders(folder, _DEEPEST))[:_MOST]]


def _folders(folder: Path, depth: int) -> Iterable[Path]:
    """Those that hold an adapter. Checkpoints below one are its history, and not listed."""
    try:
        below = [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    except OSError:
        return
    for entry in below:
        if (entry / CONFIG).is_file():
            yield entry
        elif depth > 1:
            yield from _folders(entry, depth - 1)


def _listed(path: Path, root: Path, presets: Sequence[Preset]) -> ListedAdapter:
    name = str(path.relative_to(root))
    try:
        found = read(path)
    except AdapterRefused as error:
        return ListedAdapter(name, "–", None, "–", (), f"{name}: {error}")
    fitting = tuple(
        preset.name
        for preset in presets
        if found.base is not None
        and found.lora.highest_rank <= preset.max_lora_rank
        and same_base(found.base, preset.base.repo, preset.base.name, preset.name)
    )
    return ListedAdapter(
        name, found.base or "not said", found.lora.highest_rank, found.prompt_format or "not said", fitting
    )

"""What earlier runs left in a folder that is begun anew."""

from __future__ import annotations

from pathlib import Path


def set_aside(folder: Path) -> None:
    """Move what is in a run's folder to `before.<number>/`, its lock and what was set aside before apart."""
    number = 1
    while (aside := folder / f"before.{number}").exists():
        number += 1
    aside.mkdir()
    # What was asked for goes last: a process killed on the way finds it, and asks again.
    for path in sorted(folder.iterdir(), key=lambda path: path.name == "run.json"):
        if path.name != ".lock" and not path.name.startswith("before."):
            path.rename(aside / path.name)

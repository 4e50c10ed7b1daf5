"""The systemd units: read by systemd where it is there, and true to the commands and settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bot.settings import Settings
from model.settings import WorkerSettings
from tests.deployment.test_compose import FOREIGN, copied, understood
from training.serving.settings import TrainerSettings

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "docs" / "systemd").glob("*.service"))
PYTHON = "/opt/fanfabler/.venv/bin/python"
SETTINGS = {
    "fanfabler-bot": (Settings, WorkerSettings), "fanfabler-worker": (WorkerSettings,),
    "fanfabler-trainer": (TrainerSettings,),
}  # fmt: skip


def values(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


def test_there_is_one_for_each_process() -> None:
    assert {unit.stem for unit in UNITS} == set(SETTINGS)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_it_starts_a_command_that_there_is(unit: Path) -> None:
    (line,) = values(unit, "ExecStart")
    python, _, program, *arguments = line.split()
    assert python == PYTHON
    assert understood(program, arguments).command in {"run", "serve"}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_what_it_sets_is_a_setting(unit: Path) -> None:
    known = {field.upper() for kind in SETTINGS[unit.stem] for field in kind.model_fields} | FOREIGN
    names = set(re.findall(r"([A-Z_]+)=", " ".join(values(unit, "Environment"))))
    assert names - {"PYTHONUNBUFFERED"} <= known


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_copy_of_the_example_leaves_it_its_own_settings(unit: Path) -> None:
    """systemd has what is in an `EnvironmentFile` go before `Environment`, wherever they stand."""
    (home,) = values(unit, "WorkingDirectory")
    own = dict(word.split("=", 1) for line in values(unit, "Environment") for word in line.split())
    settled = own | copied()
    # A path of the file may be the same one, told from where the process is.
    assert {name: Path(home, settled[name]) for name in own} == {n: Path(home, v) for n, v in own.items()}


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_it_is_no_root_and_is_started_again(unit: Path) -> None:
    assert values(unit, "User") == ["fanfabler"]
    assert values(unit, "Restart") == ["on-failure"]
    assert values(unit, "RestartPreventExitStatus") == ["2"]


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and os.environ.get("REQUIRE_ALL") != "1",
    reason="systemd is not installed",
)
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_understands_it(unit: Path, tmp_path: Path) -> None:
    # systemd also looks whether the program is there, so it gets one that is.
    copies = [tmp_path / other.name for other in UNITS]
    for copy, other in zip(copies, UNITS, strict=True):
        copy.write_text(other.read_text().replace(PYTHON, sys.executable))
    looked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / unit.name],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    about_it = [line for line in looked.stderr.splitlines() if unit.name in line]
    assert about_it == []
    assert looked.returncode == 0, looked.stderr

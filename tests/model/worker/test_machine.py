"""What is found out about the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.machine import usable_cores

ALLOWED = sorted(os.sched_getaffinity(0))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


def siblings(root: Path, of: dict[int, str]) -> None:
    for cpu, text in of.items():
        write(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", text)


def test_a_machine_that_tells_nothing_has_a_core_for_each_cpu(tmp_path: Path):
    assert usable_cores(tmp_path) == len(ALLOWED)


def test_two_threads_of_a_core_count_once(tmp_path: Path):
    siblings(tmp_path, dict.fromkeys(ALLOWED, "all of them"))
    assert usable_cores(tmp_path) == 1


@pytest.mark.parametrize("text", ["150000 100000", "50000 100000"])
def test_a_containers_quota_is_not_exceeded(tmp_path: Path, text: str):
    write(tmp_path / "sys/fs/cgroup/cpu.max", text)
    assert usable_cores(tmp_path) == 1


def test_the_older_control_groups_are_read_too(tmp_path: Path):
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000")
    write(tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000")
    assert usable_cores(tmp_path) == 1


@pytest.mark.parametrize("text", ["max 100000", "99900000 100000", "nonsense"])
def test_a_quota_that_limits_nothing_changes_nothing(tmp_path: Path, text: str):
    write(tmp_path / "sys/fs/cgroup/cpu.max", text)
    assert usable_cores(tmp_path) == len(ALLOWED)

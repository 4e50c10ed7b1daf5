"""What this machine has: memory, GPU, packages, and models downloaded before. Imports no torch to find
out."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

GIB = 2**30
_SPINS = "300"
"""A few microseconds."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes."""

    ram: int
    free_ram: int
    gpu: str | None
    """The first GPU's name."""
    gpu_memory: int
    free_gpu_memory: int
    """What other processes leave of it; all of it where that cannot be told."""
    torch_has_cuda: bool
    """Whether the installed torch can use an NVIDIA GPU."""

    @property
    def usable_gpu_memory(self) -> int:
        return self.gpu_memory if self.torch_has_cuda else 0


@cache
def this_machine() -> Machine:
    """Looked at once for each process."""
    ram, free_ram = _memory()
    gpu, gpu_memory, free_gpu_memory = _gpu()
    try:
        torch_has_cuda = "+cpu" not in version("torch")
    except PackageNotFoundError:
        torch_has_cuda = False
    return Machine(ram, free_ram, gpu, gpu_memory, free_gpu_memory, torch_has_cuda)


def usable_cores(root: Path = Path("/")) -> int:
    """Physical cores that this process may use, a container's quota included. `root` is where /sys is found."""
    every = range(os.cpu_count() or 1)
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else every
    # Two threads of one core have the same list of siblings.
    cores = len({_siblings(root, cpu) for cpu in allowed})
    return max(1, min(cores, int(_cpu_quota(root) or cores)))


def wait_briefly() -> None:
    """Have torch's threads sleep soon where they wait for one another. Takes effect before torch is first imported.

    By default libgomp lets them spin for milliseconds at each of a step's hundreds of meetings, which is time lost
    as soon as anything else wants a core: the bot, a browser, another worker. `GOMP_SPINCOUNT` in the environment goes
    before this.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


def _siblings(root: Path, cpu: int) -> str:
    try:
        file = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        return file.read_text(encoding="ascii").strip()
    except OSError:
        return str(cpu)


def _cpu_quota(root: Path) -> float | None:
    """Cores' worth of time that the process's control group has; None where there is no limit."""
    group = root / "sys/fs/cgroup"
    try:
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            quota = (group / "cpu/cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (group / "cpu/cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except OSError:
            return None
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def free_disk(folder: Path) -> int:
    """Bytes free where this folder is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def installed(module: str) -> bool:
    return find_spec(module) is not None


def _memory() -> tuple[int, int]:
    """Whole and free memory, a container's limit included."""
    page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    ram = page * os.sysconf("SC_PHYS_PAGES") if page else 2**63
    free = ram
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        if limit.isdigit() and int(limit) < ram:
            used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii"))
            ram, free = int(limit), min(free, int(limit) - used)
    except (OSError, ValueError):
        pass
    return ram, free


def _gpu() -> tuple[str | None, int, int]:
    """Name, memory and free memory of the first NVIDIA GPU that is visible here, by CUDA's driver API."""
    for library in ("libcuda.so.1", "nvcuda.dll"):
        try:
            return _ask_cuda(ctypes.CDLL(library))
        except (OSError, AttributeError):
            continue
    return None, 0, 0


def _ask_cuda(cuda: ctypes.CDLL) -> tuple[str | None, int, int]:
    device, memory = ctypes.c_int(), ctypes.c_size_t()
    name, bus = ctypes.create_string_buffer(128), ctypes.create_string_buffer(32)
    codes = (
        cuda.cuInit(0),
        cuda.cuDeviceGet(ctypes.byref(device), 0),
        cuda.cuDeviceGetName(name, len(name), device),
        cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device),
        cuda.cuDeviceGetPCIBusId(bus, len(bus), device),
    )
    if any(codes):
        return None, 0, 0
    free = _free_by_nvml(bus.value)
    return name.value.decode(), memory.value, memory.value if free is None else min(free, memory.value)


class _NvmlMemory(ctypes.Structure):
    """`nvmlMemory_t`."""

    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def _free_by_nvml(bus: bytes) -> int | None:
    """Bytes free of the GPU at this address; CUDA's own answer would take a context, and memory, there."""
    for library in ("libnvidia-ml.so.1", "nvml.dll"):
        try:
            nvml = ctypes.CDLL(library)
            handle, memory = ctypes.c_void_p(), _NvmlMemory()
            codes = (
                nvml.nvmlInit_v2(),
                nvml.nvmlDeviceGetHandleByPciBusId_v2(bus, ctypes.byref(handle)),
                nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)),
            )
        except (OSError, AttributeError):
            continue
        return None if any(codes) else int(memory.free)
    return None


def is_path(repo: str) -> bool:
    """Whether a preset's `repo` is meant as a folder of this machine rather than a repository's id."""
    return Path(repo).is_dir() or repo.startswith(("/", ".", "~")) or repo.count("/") > 1


def downloaded(repo: str, revision: str | None = None) -> bool:
    """Whether a repository's weights are in Hugging Face's cache, or `repo` is a folder that has them.

    Where they are in parts, all of them must be there.
    """
    if Path(repo).is_dir():
        return any(Path(repo).glob("*.safetensors"))
    if is_path(repo) or not installed("huggingface_hub"):
        return False
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    def find(name: str) -> Path | None:
        found = try_to_load_from_cache(repo, name, revision=revision)
        return Path(found) if isinstance(found, str) else None

    try:
        if index := find("model.safetensors.index.json"):
            parts = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            return all(find(part) for part in parts)
        return any(find(name) for name in ("model.safetensors", "adapter_model.safetensors"))
    except (HFValidationError, OSError, ValueError, KeyError):
        return False

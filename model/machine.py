"""What this machine has: memory, GPU, packages, and models downloaded before. Imports no torch to find
out."""

from __future__ import annotations

import ctypes
import os
import shutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

GIB = 2**30


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes."""

    ram: int
    free_ram: int
    gpu: str | None
    """The first GPU's name."""
    gpu_memory: int
    torch_has_cuda: bool
    """Whether the installed torch can use an NVIDIA GPU."""

    @property
    def usable_gpu_memory(self) -> int:
        return self.gpu_memory if self.torch_has_cuda else 0


@cache
def this_machine() -> Machine:
    """Looked at once for each process."""
    ram, free_ram = _memory()
    gpu, gpu_memory = _gpu()
    try:
        torch_has_cuda = "+cpu" not in version("torch")
    except PackageNotFoundError:
        torch_has_cuda = False
    return Machine(ram, free_ram, gpu, gpu_memory, torch_has_cuda)


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


def _gpu() -> tuple[str | None, int]:
    """Name and memory of the first NVIDIA GPU, by CUDA's driver API."""
    for library in ("libcuda.so.1", "nvcuda.dll"):
        try:
            return _ask_cuda(ctypes.CDLL(library))
        except OSError:
            continue
    return None, 0


def _ask_cuda(cuda: ctypes.CDLL) -> tuple[str | None, int]:
    device, memory, name = ctypes.c_int(), ctypes.c_size_t(), ctypes.create_string_buffer(128)
    codes = (
        cuda.cuInit(0),
        cuda.cuDeviceGet(ctypes.byref(device), 0),
        cuda.cuDeviceGetName(name, len(name), device),
        cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device),
    )
    if any(codes):
        return None, 0
    return name.value.decode(), memory.value


def downloaded(repo: str, revision: str | None = None) -> bool:
    """Whether a repository's weights are in Hugging Face's cache, or `repo` is a folder that has them."""
    if Path(repo).is_dir():
        return any(Path(repo).glob("*.safetensors"))
    if not installed("huggingface_hub"):
        return False
    from huggingface_hub import try_to_load_from_cache

    names = ("model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors")
    return any(isinstance(try_to_load_from_cache(repo, name, revision=revision), str) for name in names)

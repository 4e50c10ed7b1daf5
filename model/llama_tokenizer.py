"""Llama 3's tokenizer where its weights are not: made from the file that the package llama-models carries.

The first call converts it (a few seconds) and keeps the result in the cache folder; later ones read that.
"""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from model.cache_folder import default_cache
from model.errors import MissingPackage

SPECIAL_TOKENS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|reserved_special_token_2|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
    *(f"<|reserved_special_token_{number}|>" for number in range(3, 248)),
)
"""The 256 special tokens from id 128,000 on, named as in the released tokenizers of Llama 3.1."""


def tokenizer_model() -> Path:
    """The path of `tokenizer.model` in the installed llama-models. Raises `MissingPackage`."""
    spec = find_spec("llama_models")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "llama3" / "tokenizer.model"
        if path.is_file():
            return path
    raise MissingPackage("Llama 3's tokenizer needs llama-models: pip install 'fanfabler[llama-tokenizer]'")


@cache
def llama_tokenizer(cache_folder: Path | None = None) -> Any:
    """A `PreTrainedTokenizerFast` of 128,256 tokens; `<|eot_id|>` ends a text, Llama 3.1's token pads.

    `cache_folder` is where prepared models are kept, `default_cache()` where it is not given.

    Raises `MissingPackage` where llama-models is not installed.
    """
    from transformers import PreTrainedTokenizerFast

    folder = (cache_folder or default_cache()) / "llama3-tokenizer"
    if not (folder / "tokenizer.json").is_file():
        _convert(tokenizer_model(), folder)
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        bos_token="<|begin_of_text|>",  # noqa: S106
        eos_token="<|eot_id|>",  # noqa: S106
        pad_token="<|finetune_right_pad_id|>",  # noqa: S106
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def _convert(source: Path, folder: Path) -> None:
    """Write `tokenizer.json`, in one step, so that processes that start together do not see half of it."""
    from transformers.convert_slow_tokenizer import TikTokenConverter

    converter = TikTokenConverter(vocab_file=str(source), extra_special_tokens=list(SPECIAL_TOKENS))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        converter.converted().save(str(Path(scratch) / "tokenizer.json"))
        folder.mkdir(exist_ok=True)
        shutil.move(Path(scratch) / "tokenizer.json", folder / "tokenizer.json")

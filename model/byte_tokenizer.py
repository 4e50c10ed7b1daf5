"""A tokenizer without files: one token per byte, and the special tokens of Llama 3. For the `tiny` preset."""

from __future__ import annotations

from typing import Any

from model.llama_tokenizer import SPECIAL_TOKENS

SPECIAL = SPECIAL_TOKENS[:11]
"""As far as `<|python_tag|>`: all that Llama's prompt formats name. Their ids follow the 256 bytes."""

VOCABULARY = 256 + len(SPECIAL)


def byte_tokenizer() -> Any:
    """A `PreTrainedTokenizerFast` of 267 tokens; the id of a plain byte is the byte itself."""
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(BPE({letter: byte for byte, letter in enumerate(_letters())}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|begin_of_text|>",  # noqa: S106
        eos_token="<|eot_id|>",  # noqa: S106
        pad_token="<|finetune_right_pad_id|>",  # noqa: S106
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def _letters() -> list[str]:
    """The letter that stands for each byte in byte-level BPE, by byte (GPT-2's table)."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]

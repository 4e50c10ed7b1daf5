"""What every way of generating is asked in the worker's benchmark: the same chats, of the same tokens.

The chats are gibberish of common words, each with a beginning of its own, so that no two share a prefix.
"""

from __future__ import annotations

import copy
import itertools
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from model.engine.base import ChatCodec, Sampling
from model.preset import Preset, load_preset

_WORDS = (
    "wizard",
    "door",
    "river",
    "stone",
    "captain",
    "letter",
    "garden",
    "secret",
    "train",
    "mirror",
    "night",
)
_FORMATS = {"by-example": "gemma"}
"""A long example in front of each prompt would be most of what is measured."""


@dataclass(frozen=True, slots=True)
class Chat:
    """One request: the only message, a user's, and the prompt that it makes."""

    text: str
    prompt: tuple[int, ...]


class Workload:
    """Chats without end, and how they are to be answered.

    None comes twice: what was asked before is in the caches of those that share prefixes.
    """

    def __init__(
        self, preset: Preset, codec: ChatCodec, *, prompt_tokens: int, tokens: int, greedy: bool = False
    ) -> None:
        """Of about `prompt_tokens` tokens each, the prompt format's own included; answers of `tokens`."""
        self.prompt_tokens = prompt_tokens
        self.tokens = tokens
        self.sampling = _sampling(preset, greedy=greedy)
        self._codec = codec
        self._dice = random.Random(17)
        self._numbers = itertools.count(1)

    def chats(self, count: int) -> list[Chat]:
        """The next ones."""
        return [self._chat() for _ in range(count)]

    def answered_in(self, tokens: int) -> Workload:
        """The same stock of chats, with answers of another length."""
        shorter = copy.copy(self)
        shorter.tokens = tokens
        return shorter

    def _chat(self) -> Chat:
        words = [str(next(self._numbers))]
        while (missing := self.prompt_tokens - len(self._encode(words))) > 0:
            # A word is up to eight tokens, where tokens are bytes.
            words += self._dice.choices(_WORDS, k=max(1, missing // 8))
        return Chat(" ".join(words), tuple(self._encode(words)))

    def _encode(self, words: list[str]) -> list[int]:
        return self._codec.encode_chat((("user", " ".join(words)),))


def plain_preset(name: str, folder: Path) -> Preset:
    """The preset's bare base, written into the folder, so that every process reads the same one."""
    preset = load_preset(name)
    prompt_format = _FORMATS.get(preset.base.prompt_format, preset.base.prompt_format)
    fields = {
        "extends": str(preset.file.with_suffix("")),
        "adapter": None,
        "base": {"prompt_format": prompt_format},
        "engine": {"queue_limit": 1024},
    }
    path = folder / f"{preset.name}.yaml"
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    return load_preset(path)


def _sampling(preset: Preset, *, greedy: bool) -> Sampling:
    if greedy:
        return Sampling(temperature=0.0)
    chosen = preset.sampling
    return Sampling(
        temperature=chosen.temperature,
        top_p=chosen.top_p,
        top_k=chosen.top_k,
        repetition_penalty=chosen.repetition_penalty,
        frequency_penalty=chosen.frequency_penalty,
        presence_penalty=chosen.presence_penalty,
    )


def openai_fields(sampling: Sampling) -> dict[str, Any]:
    """As our worker takes it."""
    return {name: value for name, value in asdict(sampling).items() if name != "seed"}


def generate_fields(sampling: Sampling) -> dict[str, Any]:
    """As transformers' `GenerationConfig` takes it, which knows no frequency and presence penalty."""
    if sampling.greedy:
        return {"do_sample": False}
    return {
        "do_sample": True,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "repetition_penalty": sampling.repetition_penalty,
    }

"""Prefix sharing: the time to the first token of a prompt whose beginning is in the cache, against one that is new.

Asked by HTTP for one token each, so that the time of the whole answer is that to its first token.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from model.preset import Preset
from tests.benchmarks.figures import spread
from tests.benchmarks.servers import our_worker


@dataclass(frozen=True, slots=True)
class Sharing:
    """Seconds to the first token, pairwise: a prefix shared with an earlier prompt, and one of the same length."""

    prefix_tokens: int
    shared: tuple[float, ...]
    cold: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(shared / cold for shared, cold in zip(self.shared, self.cold, strict=True))

    def summary(self) -> dict[str, Any]:
        return {
            "prefix_tokens": self.prefix_tokens,
            "shared": spread(self.shared),
            "cold": spread(self.cold),
            "ratio": spread(self.ratios),
        }


async def measure_sharing(preset: Preset, log: Path, *, prefix_tokens: int, pairs: int) -> Sharing:
    """Against a worker of its own. Shared and cold prompts alternate."""
    dice = random.Random(prefix_tokens)
    async with our_worker(preset, log) as worker, aiohttp.ClientSession(worker.url) as http:
        known = await _text(http, dice, prefix_tokens)
        length = await _count(http, known)
        await _first_token(http, known, "What comes first?")
        shared, cold = [], []
        for number in range(pairs):
            question = f"Question {number}: who waits at the door?"
            new = await _text(http, dice, length)
            shared.append(await _first_token(http, known, question))
            cold.append(await _first_token(http, new, question))
    return Sharing(length, tuple(shared), tuple(cold))


async def _first_token(http: aiohttp.ClientSession, system: str, question: str) -> float:
    body = {
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": question}],
        "max_tokens": 1,
        "temperature": 0,
    }
    sent = time.perf_counter()
    async with http.post("/v1/chat/completions", json=body) as response:
        answer = await response.json()
        if response.status != 200:
            raise RuntimeError(f"The worker answered {response.status}: {answer}")
    return time.perf_counter() - sent


async def _text(http: aiohttp.ClientSession, dice: random.Random, tokens: int) -> str:
    """Words that nobody has seen yet, of about so many tokens."""
    words: list[str] = []
    while (missing := tokens - (await _count(http, " ".join(words)) if words else 0)) > 0:
        words += [f"{dice.randrange(10**6):06d}" for _ in range(max(1, missing // 8))]
    return " ".join(words)


async def _count(http: aiohttp.ClientSession, text: str) -> int:
    async with http.post("/tokenize", json={"prompt": text, "add_special_tokens": False}) as response:
        count: int = (await response.json())["count"]
        return count

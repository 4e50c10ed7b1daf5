"""How fast a preset generates: one `generate` at a time, and the engine with one and with several streams.

    python -m tests.benchmarks.worker --preset embedded --streams 1 4 16 --tokens 64

Every request has a prompt of its own, so that no prefix is shared. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import Any

from model.engine.base import Engine, GenerationRequest, Sampling
from model.loading import LoadedModel, load
from model.preflight import check
from model.preset import load_preset
from model.serving import served_models
from model.settings import WorkerSettings


@dataclass(frozen=True)
class Figures:
    """Of one way of generating."""

    name: str
    tokens_per_second: float
    first_token: list[float]
    """Seconds, one for each request."""

    def line(self, peer: Figures) -> str:
        ratio = self.tokens_per_second / peer.tokens_per_second
        middle = statistics.median(self.first_token)
        worst = max(self.first_token)
        return (
            f"{self.name:>20}  {self.tokens_per_second:8.1f} tokens/s  {ratio:5.2f} x {peer.name}  "
            f"first token {middle:.2f} s (slowest {worst:.2f} s)"
        )


def prompts(model: LoadedModel, count: int, length: int) -> list[list[int]]:
    """Random tokens: what they say costs nothing more or less."""
    import torch

    dice = torch.Generator().manual_seed(length)
    vocabulary = min(256, model.base.config.vocab_size)
    return [torch.randint(3, vocabulary, (length,), generator=dice).tolist() for _ in range(count)]


def one_at_a_time(model: LoadedModel, prompt: list[int], tokens: int) -> Figures:
    """transformers' `generate`, sampling as the preset says."""
    import torch

    sampling = model.preset.sampling
    inputs = torch.tensor([prompt], device=model.base.device)
    arguments: dict[str, Any] = {
        "attention_mask": torch.ones_like(inputs),
        "do_sample": True,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "repetition_penalty": sampling.repetition_penalty,
        "eos_token_id": None,
        "pad_token_id": 0,
    }
    with torch.no_grad():
        began = time.perf_counter()
        model.base.generate(inputs, max_new_tokens=1, **arguments)
        first = time.perf_counter() - began
        began = time.perf_counter()
        model.base.generate(inputs, max_new_tokens=tokens, **arguments)
        whole = time.perf_counter() - began
    return Figures("generate", tokens / whole, [first])


async def together(
    engine: Engine, sampling: Sampling, inputs: list[list[int]], tokens: int, name: str
) -> Figures:
    """Everything at once through the engine."""
    first: list[float] = []
    began = time.perf_counter()

    async def ask(prompt: list[int]) -> None:
        async with engine.generate(GenerationRequest(name, tuple(prompt), tokens, sampling)) as steps:
            await anext(steps)
            first.append(time.perf_counter() - began)
            async for _ in steps:
                pass

    await asyncio.gather(*[ask(prompt) for prompt in inputs])
    whole = time.perf_counter() - began
    return Figures(name, len(inputs) * tokens / whole, first)


async def measure(arguments: argparse.Namespace) -> None:
    """Print the figures of every way."""
    preset, settings = load_preset(arguments.preset), WorkerSettings()
    where = {"embedded_source": settings.embedded_model_path, "cache": settings.fanfabler_cache}
    check(preset, **where, random_weights=arguments.random_weights)
    model = load(preset, **where, random_weights=arguments.random_weights)
    defaults = preset.sampling
    sampling = Sampling(
        temperature=defaults.temperature,
        top_p=defaults.top_p,
        top_k=defaults.top_k,
        repetition_penalty=defaults.repetition_penalty,
    )
    inputs = prompts(model, max(arguments.streams), arguments.prompt_tokens)
    peer = one_at_a_time(model, inputs[0], arguments.tokens)
    print(f"{preset.name}: prompts of {arguments.prompt_tokens} tokens, answers of {arguments.tokens}")  # noqa: T201
    print(peer.line(peer))  # noqa: T201
    engine = served_models(model)[-1].engine
    await engine.start()
    try:
        for streams in arguments.streams:
            name = f"engine, {streams} streams"
            figures = await together(engine, sampling, inputs[:streams], arguments.tokens, name)
            print(figures.line(peer), flush=True)  # noqa: T201
    finally:
        await engine.close()


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="embedded")
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--random-weights", action="store_true")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()

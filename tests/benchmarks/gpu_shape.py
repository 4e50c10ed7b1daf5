"""A large model's shape with random weights: what its size costs, without its weights being at hand.

Each kind of weights in turn: the article's way alone, then the engine with more and more requests at once. Decoding is
set against its ceiling, the memory's bandwidth divided by the bytes of the weights: as many steps a second as the
weights can be read. The bandwidth is measured by copying; the input embedding is left out, of which a step reads a few
rows. Runs on a CPU too, with a shape to match, so that it can be tried anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import statistics
import time
from typing import Any

from model.adapter_folder import AdapterOptions
from model.loading import LoadedModel, load
from model.preset import Preset, load_preset
from model.serving import ModelHost
from tests.benchmarks import ways
from tests.benchmarks.figures import Round, known, percentile
from tests.benchmarks.workload import Workload

WEIGHTS = ("bf16", "nf4")
_WARM_UP_TOKENS = 4
_COPY_BYTES = {"cuda": 4 * 2**30, "cpu": 256 * 2**20}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All kinds of weights, as it goes into the JSON document. Times in seconds, sizes in bytes."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    bandwidth = measure_bandwidth(device)
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
        "bandwidth": bandwidth,
        "weights": {kind: _measure_kind(options, kind, bandwidth) for kind in options.weights},
    }


def measure_bandwidth(device: str) -> float:
    """Bytes a second that the memory gives or takes, by copying."""
    import torch

    source = torch.empty(_COPY_BYTES[device] // 4, dtype=torch.float32, device=device).fill_(1)
    target = torch.empty_like(source)
    seconds = []
    for _ in range(6):
        _finish(device)
        began = time.perf_counter()
        target.copy_(source)
        _finish(device)
        seconds.append(time.perf_counter() - began)
    return 2 * source.nbytes / min(seconds)


def ceiling_share(measured: Round, weight_bytes: int, bandwidth: float) -> float:
    """Steps a second of the time in which all answers were under way, to those that the weights' bytes allow.

    NaN where there was no such time.
    """
    begun = max(answer.first for answer in measured.answers)
    ended = min(answer.arrivals[-1] for answer in measured.answers)
    steps = statistics.mean(
        sum(begun < arrival <= ended for arrival in answer.arrivals) for answer in measured.answers
    )
    return steps / (ended - begun) * weight_bytes / bandwidth if ended > begun else float("nan")


def _measure_kind(options: argparse.Namespace, kind: str, bandwidth: float) -> dict[str, Any]:
    import torch

    began = time.perf_counter()
    loaded = load(_preset(options, kind), random_weights=True)
    weights = weight_bytes(loaded.base)
    report: dict[str, Any] = {
        "dtype": str(loaded.base.dtype).removeprefix("torch."),
        "bytes": weights,
        "ceiling_steps_per_second": bandwidth / weights,
        "load_seconds": time.perf_counter() - began,
    }
    try:
        report["ways"] = asyncio.run(_measure_ways(options, loaded, weights, bandwidth))
    finally:
        del loaded
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return report


async def _measure_ways(
    options: argparse.Namespace, loaded: LoadedModel, weights: int, bandwidth: float
) -> list[dict[str, Any]]:
    served = ModelHost(lambda: loaded, AdapterOptions(most=0)).first()[-1]
    work = Workload(
        loaded.preset,
        served.codec,
        prompt_tokens=options.prompt_tokens,
        tokens=options.tokens,
        greedy=options.greedy,
    )
    short = work.answered_in(_WARM_UP_TOKENS)
    figures = []

    def note(way: str, streams: int, measured: Round) -> None:
        share = ceiling_share(measured, weights, bandwidth)
        figures.append(_figures(way, streams, measured) | {"ceiling_share": known(share)})

    ways.by_the_article(loaded.base, loaded.tokenizer, short, 1)
    _forget_peak()
    note("article", 1, ways.by_the_article(loaded.base, loaded.tokenizer, work, 1))
    await served.engine.start()
    attention = loaded.base.config._attn_implementation
    try:
        for streams in options.streams:
            await ways.by_engine(served.engine, short, streams)
            _forget_peak()
            note("engine", streams, await ways.by_engine(served.engine, work, streams))
            figures[-1]["attention"] = attention
    finally:
        await served.engine.close()
    return figures


def _figures(way: str, streams: int, measured: Round) -> dict[str, Any]:
    firsts = [answer.first for answer in measured.answers]
    gaps = [gap for answer in measured.answers for gap in answer.gaps]
    return {
        "way": way,
        "streams": streams,
        "tokens": measured.tokens,
        "seconds": measured.seconds,
        "tokens_per_second": measured.tokens_per_second,
        "ttft": {"p50": known(percentile(firsts, 0.5)), "p95": known(percentile(firsts, 0.95))},
        "inter_token": {"p50": known(percentile(gaps, 0.5)), "p95": known(percentile(gaps, 0.95))},
        "peak_memory": _peak(),
    }


def _preset(options: argparse.Namespace, kind: str) -> Preset:
    preset = load_preset(options.gpu_shape)
    base = preset.base.model_copy(update={"quantisation": "nf4" if kind == "nf4" else "none"})
    slots, needed = max(options.streams), options.prompt_tokens + options.tokens
    sizes = {
        "slots": slots,
        "queue_limit": slots,
        "num_blocks": None,
        "attention": options.attention or preset.engine.attention,
    }
    engine = preset.engine.model_copy(update=sizes)
    return preset.model_copy(
        update={"base": base, "adapter": None, "engine": engine, "context_length": needed + 64}
    )


def weight_bytes(model: Any) -> int:
    """Bytes of the weights that every step reads, with what 4-bit weights keep beside them."""
    embedding = model.get_input_embeddings().weight
    tied = embedding is model.get_output_embeddings().weight
    total = sum(weight.nbytes for weight in model.parameters()) - (0 if tied else embedding.nbytes)
    states = (getattr(module, "quant_state", None) for module in model.modules())
    for state in filter(None, states):
        nested = getattr(state, "state2", None)
        total += state.absmax.nbytes + (0 if nested is None else nested.absmax.nbytes)
    return int(total)


def _finish(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def _forget_peak() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> int:
    """Bytes of the GPU that torch held at most since `_forget_peak`; on a CPU, of the process since its beginning."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_reserved())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def text(document: dict[str, Any]) -> str:
    """The same for people."""
    lines = [f"{document['device']}, {document['bandwidth'] / 1e9:.0f} GB/s measured"]
    for kind, report in document["weights"].items():
        lines.append(
            f"{kind} ({report['dtype']}): {report['bytes'] / 2**30:.2f} GiB read a step, at most "
            f"{report['ceiling_steps_per_second']:.0f} steps a second; loaded in {report['load_seconds']:.0f} s"
        )
        for each in report["ways"]:
            share = each["ceiling_share"]
            lines.append(
                f"  {each['way']:>8} {each['streams']:>3} at once  {each['tokens_per_second']:>9.1f} tokens/s  "
                f"first token {each['ttft']['p50']:.2f} s (p95 {each['ttft']['p95']:.2f} s)  "
                f"{each['peak_memory'] / 2**30:.1f} GiB  {'' if share is None else f'{share:.0%} of the ceiling'}"
            )
    return "\n".join(lines)

"""The worker's benchmark for people and for programs: targets, a table, and a JSON document."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.comparison import Comparison
from tests.benchmarks.figures import Figures, Verdict, ratios
from tests.benchmarks.machine import Machine
from tests.benchmarks.sharing import Sharing
from tests.benchmarks.ways import ARTICLE, ENGINE, GENERATE, NAMES, PEER, WORKER

STREAMS = 16
"""At once, where the targets for many are set."""

Measured = Mapping[tuple[str, int], Figures]


def verdicts(
    figures: Measured, loop_shares: Mapping[int, Sequence[float]], sharing: Sharing | None
) -> list[Verdict]:
    """Every target, met, missed, or not measured."""

    def ratio(ours: tuple[str, int], peer: tuple[str, int]) -> tuple[float, ...]:
        if ours not in figures or peer not in figures:
            return ()
        return tuple(ratios(figures[ours].speeds, figures[peer].speeds))

    many = (WORKER, STREAMS)
    return [
        Verdict(f"worker at {STREAMS} streams to the article's way", 4.0, ratio(many, (ARTICLE, 1))),
        Verdict(f"worker to transformers serve at {STREAMS} streams", 1.0, ratio(many, (PEER, STREAMS))),
        Verdict("engine to generate, one stream", 0.95, ratio((ENGINE, 1), (GENERATE, 1))),
        Verdict(
            f"event loop's CPU time to the engine's at {STREAMS} streams",
            0.03,
            tuple(loop_shares.get(STREAMS, ())),
            at_least=False,
        ),
        Verdict(
            "time to the first token with a shared prefix to that with a new one",
            0.5,
            () if sharing is None else sharing.ratios,
            at_least=False,
        ),
    ]


def text(machine: Machine, comparison: Comparison, judged: Sequence[Verdict]) -> str:
    """All of it, for people."""
    options = comparison.options
    sampling = "greedy" if options.greedy else "the preset's sampling"
    asked = f"{options.prompt_tokens} tokens a prompt, {options.tokens} an answer, {sampling}"
    lines = [machine.line(), f"{options.preset}: {asked}, {comparison.rounds} rounds"]
    if comparison.serve_options:
        lines.append(f"transformers serve --continuous-batching {' '.join(comparison.serve_options)}")
    lines += ["", *_table(comparison.figures, comparison.loop_shares)]
    if comparison.sharing is not None:
        lines += ["", _sharing(options.prefix_preset, comparison.sharing)]
    return "\n".join([*lines, "", *(verdict.line() for verdict in judged)])


def document(machine: Machine, comparison: Comparison, judged: Sequence[Verdict]) -> dict[str, Any]:
    """All of it, for programs. Times in seconds."""
    options = {
        name: value for name, value in vars(comparison.options).items() if name not in {"json", "require"}
    }
    return {
        "machine": machine.summary(),
        "options": options,
        "rounds": comparison.rounds,
        "serve_options": comparison.serve_options,
        "figures": [figures.summary() for figures in _in_order(comparison.figures)],
        "loop_shares": {str(streams): list(shares) for streams, shares in comparison.loop_shares.items()},
        "sharing": None if comparison.sharing is None else comparison.sharing.summary(),
        "verdicts": [verdict.summary() for verdict in judged],
    }


def _in_order(figures: Measured) -> list[Figures]:
    return sorted(figures.values(), key=lambda each: (each.streams, NAMES.index(each.way)))


def _table(figures: Measured, loop_shares: Mapping[int, Sequence[float]]) -> list[str]:
    head = (
        f"{'at once':>7}  {'way':<18}  {'tokens/s (least to most)':>26}  {'to article':>10}  {'to peer':>8}  "
        f"{'first token p50 p95':>20}  {'between p50 p95':>17}  {'loop':>6}"
    )
    lines = [head]
    for each in _in_order(figures):
        known = each.summary()
        speed, first, between = known["tokens_per_second"], known["ttft"], known["inter_token"]
        spread = f"{speed['median']:.1f} ({speed['min']:.1f} to {speed['max']:.1f})"
        share = loop_shares.get(each.streams, ()) if each.way == WORKER else ()
        lines.append(
            f"{each.streams:>7}  {each.way + ('*' if each.reckoned else ''):<18}  {spread:>26}  "
            f"{_ratio(each, figures.get((ARTICLE, 1))):>10}  {_ratio(each, figures.get((PEER, each.streams))):>8}  "
            f"{_both(first, 1, 2, 's'):>20}  {_both(between, 1000, 0, 'ms'):>17}  "
            f"{f'{statistics.median(share):.2%}' if share else '':>6}"
        )
    if any(each.reckoned for each in figures.values()):
        lines.append("* reckoned from one request at a time: each waits for those before it")
    return lines


def _both(percentiles: Mapping[str, float | None], scale: int, digits: int, unit: str) -> str:
    values = [percentiles["p50"], percentiles["p95"]]
    return "  ".join(
        "" if value is None else f"{value * scale:.{digits}f} {unit}" for value in values
    ).strip()


def _ratio(ours: Figures, peer: Figures | None) -> str:
    if peer is None or ours is peer:
        return ""
    values = ratios(ours.speeds, peer.speeds)
    return f"{statistics.median(values):.2f} x" if values else ""


def _sharing(preset: str, sharing: Sharing) -> str:
    known = sharing.summary()
    shared, cold = known["shared"], known["cold"]
    return (
        f"{preset}, a prefix of {sharing.prefix_tokens} tokens: first token after {shared['median'] * 1000:.0f} ms "
        f"({shared['min'] * 1000:.0f} to {shared['max'] * 1000:.0f}) where it is shared, "
        f"{cold['median'] * 1000:.0f} ms ({cold['min'] * 1000:.0f} to {cold['max'] * 1000:.0f}) where it is new"
    )

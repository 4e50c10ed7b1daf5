"""Near-duplicates, within a language and across them, by MinHash and banding.

After Broder, «On the resemblance and containment of documents» (1997): sets of five-letter shingles, 128 minima a
set, 32 bands of four; pairs that share a band are then compared exactly. Where two rows are alike, the later one
is the duplicate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import regex

from training.chats import Chat
from training.checks.finding import Finding
from training.checks.parts import answers

if TYPE_CHECKING:
    import numpy
    import numpy.typing

    Hashes: TypeAlias = numpy.typing.NDArray[numpy.uint64]

THRESHOLD = 0.5
"""Share of shingles in common (Jaccard) from which on two rows count as the same."""
_SHINGLE = 5
_BANDS, _ROWS = 32, 4
_SEED = 42
_NO_WORD = regex.compile(r"[^\p{L}\p{M}\p{N}]+")


def find_duplicates(chats: Sequence[Chat], tick: Callable[[], None] = lambda: None) -> dict[int, Finding]:
    """Place in `chats` → what it repeats, for every row whose answers nearly are an earlier row's.

    `tick` is called once a row.
    """
    buckets: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    shingles: list[frozenset[int]] = []
    found: dict[int, Finding] = {}
    minima = _minima()
    for place, chat in enumerate(chats):
        tick()
        hashes = _shingles(" ".join(part.text for part in answers(chat)))
        shingles.append(frozenset(hashes.tolist()))
        bands = [(band, each) for band, each in enumerate(minima(hashes))] if len(hashes) else []
        for earlier in sorted({each for band in bands for each in buckets[band]}):
            share = _jaccard(shingles[earlier], shingles[place])
            if share >= THRESHOLD:
                found[place] = Finding("duplicate", "", f"{share:.0%} the same as {chats[earlier].id}")
                break
        else:
            for band in bands:
                buckets[band].append(place)
    return found


def _shingles(text: str) -> Hashes:
    """The hashes of all runs of five letters, each once; case and punctuation do not matter."""
    import numpy

    letters = _NO_WORD.sub(" ", text.casefold()).strip()
    codes = numpy.frombuffer(letters.encode("utf-32-le"), dtype=numpy.uint32).astype(numpy.uint64)
    count = max(len(codes) - _SHINGLE + 1, 0)
    hashes = numpy.zeros(count, dtype=numpy.uint64)
    for offset in range(_SHINGLE):
        hashes = hashes * numpy.uint64(0x9E3779B97F4A7C15) + codes[offset : offset + count]
    return numpy.unique(hashes ^ (hashes >> numpy.uint64(29)))


def _minima() -> Callable[[Hashes], list[bytes]]:
    """A function from a set's hashes to its bands."""
    import numpy

    chance = numpy.random.default_rng(_SEED)
    factors = chance.integers(1, 2**63, size=(_BANDS * _ROWS, 1), dtype=numpy.uint64) | numpy.uint64(1)
    offsets = chance.integers(0, 2**63, size=(_BANDS * _ROWS, 1), dtype=numpy.uint64)

    def bands(hashes: Hashes) -> list[bytes]:
        least = ((hashes[None, :] * factors + offsets) >> numpy.uint64(32)).min(axis=1)
        return [row.tobytes() for row in least.reshape(_BANDS, _ROWS)]

    return bands


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / max(len(one | other), 1)

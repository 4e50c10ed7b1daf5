"""llmcord's rule for showing an answer, played on the token times of a run.

The rule is that of its source (github.com/jakobdylanc/llmcord, `llmcord.py`): a chunk is shown when the next one has
come; the first is sent as a message at once; after that, an edit is made when `EDIT_DELAY_SECONDS` (1) have passed
since the last message or edit of *any* answer (`last_task_time` is one for the whole bot), and at the end. Here Discord
takes no time and refuses nothing, which flatters it: its first messages and last edits wait for no limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EDIT_DELAY_SECONDS = 1.0


def shown_at(token_times: Mapping[int, Sequence[float]]) -> dict[int, list[float]]:
    """When each answer (by number) would have been seen to change, given when its tokens came."""
    chunks = sorted(
        (time, number, place) for number, times in token_times.items() for place, time in enumerate(times)
    )
    shown: dict[int, list[float]] = {number: [] for number in token_times}
    last_task_time = float("-inf")
    for time, number, place in chunks:
        final = place == len(token_times[number]) - 1
        first = place == 1 and not shown[number]
        if first or final or (place > 1 and time - last_task_time >= EDIT_DELAY_SECONDS):
            shown[number].append(time)
            last_task_time = time
    return shown

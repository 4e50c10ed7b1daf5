"""What a run's records say: when each answer was seen to begin and to change, what was lost, what Discord was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.benchmarks.discord.stories import answer_text, label

Record = Mapping[str, Any]
"""A request as the tests' Discord recorded it (`tests.discord_server.rest.journal.Request`)."""

_UNCOUNTED = ("/interactions/", "/webhooks/")


@dataclass(frozen=True)
class Answer:
    """One story's answer: when its tokens came, when the thread was seen to change, whether all of it stands there."""

    number: int
    token_times: tuple[float, ...]
    shown_at: tuple[float, ...]
    whole: bool

    @property
    def first_after(self) -> float:
        """Seconds from the worker's first token to the first text that a member saw; infinite where there was none."""
        return self.shown_at[0] - self.token_times[0] if self.shown_at else float("inf")


def gaps(shown: Sequence[float]) -> list[float]:
    """Seconds between two changes that members saw."""
    return [later - earlier for earlier, later in pairwise(shown)]


def token_times(log: Sequence[tuple[str, Sequence[float]]], stories: int) -> dict[int, tuple[float, ...]]:
    """Story → times of its last answer's tokens, from what the worker left."""
    return {
        number: next(
            (tuple(times) for text, times in reversed(log) if f"{text} ".startswith(f"{label(number)} ")), ()
        )
        for number in range(stories)
    }


def answers(
    records: Sequence[Record], times: Mapping[int, Sequence[float]], threads: Mapping[int, str], tokens: int
) -> list[Answer]:
    """The answers of the stories, whose threads' ids are given, as those records show them."""
    found = []
    for number, thread in threads.items():
        messages: dict[str, str] = {}
        shown: list[float] = []
        for record in records:
            if not _writes_in(record, thread):
                continue
            content = str(record["response"].get("content", ""))
            before = messages.get(record["response"]["id"])
            messages[record["response"]["id"]] = content
            if content != before and (_is_text(content, number) or len(messages) > 1):
                shown.append(record["ended"])
        text = "".join("".join(messages.values()).split())
        whole = text == "".join(answer_text(number, tokens).split())
        found.append(Answer(number, tuple(times[number]), tuple(shown), whole))
    return found


def _is_text(content: str, number: int) -> bool:
    """Whether a message shows the answer, or its beginning, and no notice in its place."""
    begins = label(number)
    return bool(content) and (content.startswith(begins) or begins.startswith(content))


def _writes_in(record: Record, thread: str) -> bool:
    path = str(record["path"])
    return (
        record["method"] in ("POST", "PATCH")
        and record["status"] == 200
        and (path == f"/channels/{thread}/messages" or path.startswith(f"/channels/{thread}/messages/"))
    )


def unchanged_edits(records: Sequence[Record]) -> int:
    """Edits after which a message looked as before, text and buttons."""
    looks: dict[str, Any] = {}
    count = 0
    for record in records:
        if (
            record["method"] not in ("POST", "PATCH")
            or record["status"] != 200
            or "/messages" not in record["path"]
        ):
            continue
        message = record["response"]
        look = (message.get("content"), message.get("components"), message.get("embeds"))
        count += record["method"] == "PATCH" and looks.get(message["id"]) == look
        looks[message["id"]] = look
    return count


def most_in_a_second(records: Sequence[Record]) -> int:
    """The most requests that Discord's limit on all of them counts, within any second."""
    began = sorted(r["time"] for r in records if not str(r["path"]).startswith(_UNCOUNTED))
    most = start = 0
    for end, time in enumerate(began):
        while time - began[start] >= 1.0:
            start += 1
        most = max(most, end - start + 1)
    return most

"""The members of the load run: what they ask for, and when they see what of it. Cheap, for the machine's few cores are
the bot's: Discord's records are read once each, and nobody polls for a story of their own.

All times are seconds of the machine's clock, which Discord's records and the worker's have as well.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.discord.stories import answer_text, prompt
from tests.discord_server import Channel
from tests.reliability.world import World

_ID = re.compile(r"\d{5,}")
_LABEL = re.compile(r"Story (\d+)")
_LOOKS_EVERY = 0.02


@dataclass
class Asked:
    """A message, and what became of it: when its answer's first text and all of it, or that it was refused, was to be
    seen. `over` is set in either case."""

    number: int
    member: int
    thread: int
    letters: int
    """Of the whole answer, without blanks."""
    sent: float
    message_id: int = 0
    first: float | None = None
    done: float | None = None
    refused: float | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class People:
    """Everybody who writes, and all that they asked for."""

    world: World
    asked: dict[int, Asked] = field(default_factory=dict)
    requests: int = 0
    too_many: Counter[str] = field(default_factory=Counter)
    """429 answers, by what was asked for and whose limit it was."""
    notes: list[int] = field(default_factory=list)
    """Discord ids of the messages that refuse something."""
    _messages: dict[int, Asked] = field(default_factory=dict)
    _from: int = 0
    _seen: set[int] = field(default_factory=set)

    async def ask(self, place: int, thread: Channel, tokens: int) -> Asked:
        """A member asks for the next story in a thread."""
        self.world.stories += 1
        number = self.world.stories
        letters = len("".join(answer_text(number, tokens).split()))
        story = self.asked[number] = Asked(number, place, thread.id, letters, time.time())
        message = await self.world.members[place].send(thread, prompt(story.number, tokens))
        story.message_id = message.id
        self._messages[message.id] = story
        return story

    async def watch(self) -> None:
        """Look at what the bot does on Discord, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOKS_EVERY)

    def look(self) -> None:
        """Take in the requests that have ended since."""
        records = self.world.discord._link.call("server.requests", since=self._from)
        for record in records:
            if record["ended"] is not None and record["index"] not in self._seen:
                self._seen.add(record["index"])
                self._take(record)
        while self._from in self._seen:
            self._seen.discard(self._from)
            self._from += 1

    def _take(self, record: Mapping[str, Any]) -> None:
        self.requests += 1
        response = record["response"]
        if record["status"] == 429:
            whose = "everything's" if isinstance(response, dict) and response.get("global") else "its own"
            self.too_many[f"{record['method']} {_ID.sub('…', record['path'])}, {whose} limit"] += 1
        if record["status"] != 200 or "/messages" not in record["path"] or not isinstance(response, dict):
            return
        reply_to = int((response.get("message_reference") or {}).get("message_id") or 0)
        if record["method"] == "POST" and (refused := self._messages.get(reply_to)) is not None:
            refused.refused = refused.refused or record["ended"]
            self.notes.append(int(response["id"]))
            refused.over.set()
            return
        content = str(response.get("content", ""))
        if (label := _LABEL.match(content)) is None:
            return
        story = self.asked.get(int(label[1]))
        # A first text may end within the number: that of another story, then, which is not told in that thread.
        if story is not None and f"/channels/{story.thread}/" in record["path"]:
            story.first = story.first or record["ended"]
            # Stories fit one message. Letter by letter they are gone through at the end.
            if story.done is None and len("".join(content.split())) >= story.letters:
                story.done = record["ended"]
                story.over.set()

"""The seam between writing answers and Discord: what a writer wants shown, not how. `bot.discord.stage` does it for
real; `RecordingStage` keeps what it was asked, for tests."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Protocol

from bot.answers.store import Work
from bot.database.tables import CanonNote, Conversation


class Phase(enum.Enum):
    """Where an answer stands, which decides its buttons."""

    WAITING = enum.auto()
    WRITING = enum.auto()
    DONE = enum.auto()
    FAILED = enum.auto()
    BLOCKED = enum.auto()
    TAKEN_BACK = enum.auto()


class Scene(Protocol):
    """The place in a thread where one answer stands. Methods raise `StageError`, or `ThreadGone` for good."""

    @property
    def place(self) -> str:
        """What Discord counts edits by: the channel's id."""
        ...

    @property
    def age_restricted(self) -> bool:
        """Whether only adults are let in."""
        ...

    def cost(self, text: str) -> int:
        """About how many requests it takes to show this text now."""
        ...

    async def prepare(self, text: str) -> None:
        """Do what can be done before this text is shown, and may be done before it is stored."""
        ...

    async def show(self, text: str, phase: Phase) -> None:
        """Make this the answer's text, in as many Discord messages as it takes; empty text shows that it comes."""
        ...

    async def show_note(self, note: CanonNote) -> None:
        """Post what a look-up brought, once."""
        ...

    async def typing(self) -> None:
        """Show that the bot is at it, for a few seconds; never raises."""
        ...


class Stage(Protocol):
    """Where answers are shown."""

    async def open(self, work: Work) -> Scene:
        """The answer's place; opens the thread where that has not happened yet.

        Raises:
            ThreadGone: there is no such place any more. StageError: not just now.
        """
        ...

    def reaches(self, guild_id: int | None) -> bool:
        """Whether this process is connected to that server."""
        ...

    async def rename(self, conversation: Conversation, title: str) -> str:
        """Give the thread this title, unless somebody has given it another than `conversation.title` meanwhile.
        Returns what it is called now.

        Raises:
            StageError: Discord did not take it, or not in time.
        """
        ...


@dataclass
class RecordingScene:
    """Remembers what was shown, in order."""

    shown: list[tuple[str, Phase]] = field(default_factory=list)
    notes: list[CanonNote] = field(default_factory=list)
    error: Exception | None = None
    place: str = "0"
    age_restricted: bool = False

    def cost(self, text: str) -> int:
        """One."""
        return 1

    async def prepare(self, text: str) -> None:
        """Nothing to do."""

    async def show(self, text: str, phase: Phase) -> None:
        """Record it, or raise the planted error."""
        if self.error is not None:
            raise self.error
        self.shown.append((text, phase))

    async def show_note(self, note: CanonNote) -> None:
        """Record it once, as the real one posts it once."""
        if all(note.id != other.id for other in self.notes):
            self.notes.append(note)

    async def typing(self) -> None:
        """Nothing to see."""


@dataclass
class RecordingStage:
    """A stage without Discord: one recording scene an answer, and the threads' titles by conversation."""

    scenes: dict[int, RecordingScene] = field(default_factory=dict)
    titles: dict[int, str] = field(default_factory=dict)

    async def open(self, work: Work) -> RecordingScene:
        """The same scene for the same answer."""
        return self.scenes.setdefault(work.answer.id, RecordingScene())

    def reaches(self, guild_id: int | None) -> bool:
        """Everything."""
        return True

    async def rename(self, conversation: Conversation, title: str) -> str:
        """The first title given to a thread stays."""
        return self.titles.setdefault(conversation.id, title)

"""A conversation in the terminal: what was said and looked up, and the prompt that comes of it. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from model.conversation import ChatMessage, ContextNote, Turn, build, system_prompt
from model.fitting import fit
from model.languages import LANGUAGES
from model.lookup_tag import Lookup, Reply, format_reply
from model.wikipedia import LICENCE, Page

_TITLE_LENGTH = 60


@dataclass(slots=True)
class Entry:
    """One message. `pages` were found for it: they stand before it if it is a user's, before the next if not."""

    role: Literal["user", "assistant"]
    text: str
    lookup: Lookup | None = None
    pages: list[Page] = field(default_factory=list)
    model: str | None = None
    stopped: bool = False
    """Whether it was cut off by whoever waited for it."""


@dataclass(slots=True)
class Story:
    """A conversation. `language` is a code of the forty, or None before anybody has written."""

    id: str
    begun: datetime
    language: str | None = None
    entries: list[Entry] = field(default_factory=list)

    @property
    def title(self) -> str:
        """The beginning of what was first asked."""
        first = " ".join(next((entry.text for entry in self.entries if entry.role == "user"), "").split())
        return first if len(first) <= _TITLE_LENGTH else first[: _TITLE_LENGTH - 1].rstrip() + "…"

    def say(self, text: str) -> None:
        """Add what the user wrote."""
        self.entries.append(Entry("user", text))

    def take_back_answer(self) -> bool:
        """Take the last answer out, to have it written anew; whether there is anything to be answered."""
        if self.entries and self.entries[-1].role == "assistant":
            self.entries.pop()
        return bool(self.entries)

    def turns(self) -> list[Turn]:
        """The turns as the model was trained to see them: answers with their tags, pages before user turns."""
        turns: list[Turn] = []
        pending: list[ContextNote] = []
        for entry in self.entries:
            pending += [page.as_note() for page in entry.pages]
            if entry.role == "user":
                turns.append(Turn("user", entry.text, tuple(pending)))
                pending = []
            elif entry.text or entry.lookup:
                turns.append(Turn("assistant", format_reply(Reply(entry.text, entry.lookup))))
        return turns

    def messages(self) -> list[ChatMessage]:
        """All of it as the chat API has it."""
        return build(self._system(), self.turns())

    def fitted(self, count_tokens: Callable[[str], int], *, window: int, reserve: int) -> list[ChatMessage]:
        """As much of it as leaves `reserve` tokens of the window for the answer.

        Raises `PromptTooLong`.
        """
        return fit(self._system(), self.turns(), count_tokens, window=window, reserve=reserve).messages()

    def _system(self) -> str:
        return system_prompt(LANGUAGES[self.language or "en"])

    def markdown(self) -> str:
        """The conversation to be read, with what was looked up and its licence."""
        parts = [f"# {self.title or 'A conversation'}"]
        for entry in self.entries:
            if entry.role == "user":
                parts.append("\n".join(f"> {line}" for line in entry.text.splitlines()))
            elif entry.text:
                parts.append(entry.text)
            for page in entry.pages:
                source = f"<{page.url}>, revision {page.revision}" if page.url else "FanFabler's notes"
                parts.append(f"*Looked up: {page.title} ({page.language}), {source}, {LICENCE}.*")
        return "\n\n".join(parts) + "\n"

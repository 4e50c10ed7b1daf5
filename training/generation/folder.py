"""The folder of a run: its configuration, its journals, and what it has made. One process at a time has it.

run.json          the configuration, and which works each language has
server.json       how the server wants to be asked
journal/          <stage>.jsonl, what was paid for
properties/       <code>.json
chats/            <code>.jsonl
dropped.jsonl     chats that were given up, and why
report.json, .md  tokens, cost and counts of all runs of this folder
before.1/ …       the same of earlier configurations, set aside by --restart
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from model.languages import LANGUAGES
from training.chats import Chat, Property, explain, read_chats, write_text
from training.earlier_runs import set_aside
from training.generation.errors import CannotGenerate
from training.generation.journal import FORMAT, Content, Journal, read_journal
from training.generation.made import Dropped, Made, chat_slot, slot_order
from training.generation.stages import Stage
from training.locking import FileHeld, lock


class RunConfig(BaseModel):
    """What shapes the data. Two runs of one folder with different configurations would mix two datasets.

    Languages, how many of the works, address of the server, speed and budget are not in it: they may change
    from run to run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    journal_format: int = FORMAT
    model: str
    prompts: str
    prompts_digest: str
    chats_per_property: int
    seed: int
    temperature: float
    max_tokens: int | None
    extra: dict[str, Any]
    properties: str
    """Where the works come from: `catalogue`, `model`, or a folder."""
    background: str
    """`wikipedia` or `bundled`."""

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def differences(self, other: RunConfig) -> list[str]:
        """What is different in `other`, a line each."""
        mine, theirs = self.model_dump(), other.model_dump()
        return [
            f"{name.replace('_', ' ')}: {mine[name]!r} before, {theirs[name]!r} now"
            for name in mine
            if mine[name] != theirs[name]
        ]


class _Kept(BaseModel):
    config: RunConfig
    works: dict[str, str] = {}
    """Language → digest of its works."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of a run."""

    path: Path

    @property
    def chats(self) -> Path:
        return self.path / "chats"

    @property
    def properties(self) -> Path:
        return self.path / "properties"

    @property
    def dropped(self) -> Path:
        return self.path / "dropped.jsonl"

    @property
    def server(self) -> Path:
        return self.path / "server.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out while the block runs. Raises `CannotGenerate` where one is in."""
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with lock(self.path / ".lock"):
                yield
        except FileHeld as error:
            raise CannotGenerate(f"another process is at work in {self.path}") from error

    def changes(self, config: RunConfig, works: Mapping[str, Sequence[Property]]) -> list[str]:
        """What is different from the folder's earlier runs, a line each; nothing for a new folder."""
        kept = self._kept()
        if kept is None:
            self._refuse_foreign()
            return []
        moved = [
            f"works of {code}: another list than before"
            for code, list_ in works.items()
            if kept.works.get(code, _digest(list_)) != _digest(list_)
        ]
        return kept.config.differences(config) + moved

    def adopt(self, config: RunConfig, works: Mapping[str, Sequence[Property]]) -> None:
        """Go on with this configuration."""
        kept = self._kept()
        digests = (kept.works if kept else {}) | {code: _digest(list_) for code, list_ in works.items()}
        text = _Kept(config=config, works=digests).model_dump_json(indent=1) + "\n"
        path = self.path / "run.json"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)

    def restart(self) -> None:
        """Set aside what the earlier runs made: what was paid for is kept, but not used."""
        set_aside(self.path)

    @contextmanager
    def journals(self, fingerprint: str) -> Iterator[dict[Stage, Journal]]:
        """The journals of all stages. Raises `JournalDamaged`."""
        with ExitStack() as stack:
            yield {
                stage: stack.enter_context(Journal(self._journals / f"{stage.value}.jsonl", fingerprint))
                for stage in Stage
            }

    def read_journals(self) -> dict[Stage, Content]:
        """What stands in the journals, without opening them for writing. Raises `JournalDamaged`."""
        return {stage: read_journal(self._journals / f"{stage.value}.jsonl") for stage in Stage}

    def merged(self, made: Made) -> tuple[dict[str, list[Chat]], list[Dropped]]:
        """What is made, with what earlier runs of the folder made and this one was not asked for.

        Language → its chats in their order, and what was dropped.
        """
        chats = {chat_slot(chat.id): chat for chat in self._written_chats()}
        dropped = {each.slot: each for each in self._written_dropped()}
        for slot in (*made.chats, *made.failed):
            chats.pop(slot, None)
            dropped.pop(slot, None)
        chats |= made.chats
        dropped |= {each.slot: each for each in made.dropped}
        by_language: dict[str, list[Chat]] = {code: [] for code in LANGUAGES}
        for slot in sorted(chats, key=slot_order):
            by_language[chats[slot].language].append(chats[slot])
        return by_language, [dropped[slot] for slot in sorted(dropped, key=slot_order)]

    def write_dropped(self, dropped: Sequence[Dropped]) -> None:
        """Write `dropped.jsonl`."""
        lines = [json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in dropped]
        write_text(self.dropped, "".join(lines))

    def _written_chats(self) -> Iterator[Chat]:
        for code in LANGUAGES:
            path = self.chats / f"{code}.jsonl"
            if path.exists():
                yield from read_chats(path)

    def _written_dropped(self) -> Iterator[Dropped]:
        if self.dropped.exists():
            for line in self.dropped.read_text(encoding="utf-8").splitlines():
                yield Dropped(**json.loads(line))

    @property
    def _journals(self) -> Path:
        return self.path / "journal"

    def _kept(self) -> _Kept | None:
        path = self.path / "run.json"
        try:
            return _Kept.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise CannotGenerate(f"{path} cannot be read: {explain(error)}") from error

    def _refuse_foreign(self) -> None:
        """A folder that holds data but was never a run's is somebody's dataset: nothing may be written over."""
        for path in (self.chats, self.properties):
            if path.exists() and any(path.iterdir()):
                raise CannotGenerate(f"{path} has data that no run of `generate` made: choose another --out")


def _digest(works: Sequence[Property]) -> str:
    text = json.dumps([work.model_dump(mode="json") for work in works], ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

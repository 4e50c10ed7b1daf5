"""Reading the rated stories, and giving what may be learnt from them to the trainer: a file of liked chats, and one of
rated answers, for each family of models that wrote them, since none may learn from another's. What was given is noted,
with whose it is, so that `/privacy` reaches it."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.connection import Database
from bot.database.tables import (
    CanonNote,
    Conversation,
    DueForgetting,
    Feedback,
    Member,
    Message,
    TrainingContribution,
    TrainingUpload,
    now,
)
from bot.guilds.repository import GuildRepository
from bot.operation.errors import NothingToUpload
from bot.operation.feedback import Harvest, LeftOut, Row, Story, harvest, people_of
from bot.trainer import FileKind, Stored, TrainerRefused
from bot.trainer_client import Trainer


@dataclass(frozen=True)
class Uploaded:
    """A file that the trainer took, or (no `file_id`) did not. `lineage` is the family of models that wrote it all.
    `refused` rows it did not want; `reasons` are the first few of its own."""

    kind: FileKind
    lineage: str
    file_id: str
    rows: int
    refused: int
    reasons: tuple[str, ...]


class FeedbackUploads:
    """The way of members' verdicts to the trainer."""

    def __init__(self, database: Database, trainer: Trainer) -> None:
        self._database = database
        self._trainer = trainer

    async def preview(self) -> Harvest:
        """What an upload would have in it now."""
        return harvest([story async for story in self._stories()])

    async def _stories(self) -> AsyncIterator[Story]:
        rated = select(Message.conversation_id).join(Feedback, Feedback.message_id == Message.id).distinct()
        async with self._database.reading() as session:
            ids = sorted(await session.scalars(rated))
        for conversation_id in ids:
            async with self._database.reading() as session:
                yield await _story(session, conversation_id)

    async def upload(self, actor_id: int, guild_id: int) -> list[Uploaded]:
        """Give the trainer what there is now.

        Raises:
            NothingToUpload: there is nothing. TrainerError: it could not be given; what was given before stays noted.
        """
        began = now()
        found = await self.preview()
        if not found.rated:
            raise NothingToUpload
        known = await self._lineages()
        aliases = {person: secrets.token_hex(16) for person in found.people}
        kinds: tuple[tuple[FileKind, Sequence[Row]], ...] = (("chats", found.chats), ("rated", found.rated))
        done = [
            await self._give(kind, lineage, part, aliases, found, actor_id, began)
            for kind, rows in kinds
            for lineage, part in by_lineage(rows, known).items()
        ]
        given = [uploaded for uploaded in done if uploaded.file_id]
        async with self._database.transaction() as session:
            details = {"files": [uploaded.file_id for uploaded in given], "rows": sum(u.rows for u in given)}
            GuildRepository(session).note(guild_id, actor_id, "dataset add-feedback", details)
        return done

    async def _lineages(self) -> dict[str, str]:
        """Name of a preset or adapter → the family of its base, as far as the trainer tells."""
        found = {each.preset: each.lineage for each in await self._trainer.recipes()}
        found |= {each.id: each.lineage for each in await self._trainer.adapters()}
        return {name: lineage for name, lineage in found.items() if lineage}

    async def _give(
        self,
        kind: FileKind,
        lineage: str,
        rows: Sequence[Row],
        aliases: Mapping[int, str],
        found: Harvest,
        actor_id: int,
        began: datetime,
    ) -> Uploaded:
        """Offer a file, of which the trainer leaves out what it finds fault with, and note what it took."""
        lines = [json.dumps(row.as_json(aliases, rated=kind == "rated"), ensure_ascii=False) for row in rows]
        people = sorted({person for row in rows for person in row.people})
        plain = re.sub(r"[^A-Za-z0-9.]+", "-", lineage)[:60]
        filename = f"feedback-{kind}-{plain}-{now():%Y%m%d-%H%M%S}.jsonl"
        content = ("\n".join(lines) + "\n").encode()
        try:
            stored = await self._trainer.upload(filename, content, kind, [aliases[each] for each in people])
        except TrainerRefused as error:
            return Uploaded(kind, lineage, "", 0, len(rows), tuple(str(error).splitlines()))
        taken = _ids_in(await self._trainer.content(stored.id))
        kept = [row for row in rows if row.id in taken]
        await self._note(kind, stored, kept, aliases, found, actor_id, began)
        return Uploaded(kind, lineage, stored.id, len(taken), stored.left_out, stored.dropped)

    async def _note(
        self,
        kind: FileKind,
        stored: Stored,
        rows: Sequence[Row],
        aliases: Mapping[int, str],
        found: Harvest,
        actor_id: int,
        began: datetime,
    ) -> None:
        upload = TrainingUpload(
            file_id=stored.id,
            kind=kind,
            lineage=", ".join(sorted({row.model for row in rows}))[:200],
            rows=len(rows),
            counts=counts_of(found, rows, stored.left_out),
            actor_id=actor_id,
        )
        async with self._database.transaction() as session:
            session.add(upload)
            await session.flush()
            people = sorted({person for row in rows for person in row.people})
            agreed = set(await session.scalars(_agreed(people).with_for_update(read=True)))
            for person in people:
                if person not in agreed:  # they took it back, or left, while the file was on its way
                    await session.merge(DueForgetting(alias=aliases[person]))
                    continue
                session.add(
                    TrainingContribution(
                        upload_id=upload.id,
                        member_id=person,
                        alias=aliases[person],
                        row_ids=[row.id for row in rows if person in row.people],
                        created_at=began,  # a deletion that is being carried out reaches what was read before it
                    )
                )

    async def newest(self, limit: int = 10) -> Sequence[TrainingUpload]:
        """The newest files given to the trainer, newest first."""
        query = select(TrainingUpload).order_by(TrainingUpload.id.desc()).limit(limit)
        async with self._database.reading() as session:
            return (await session.scalars(query)).all()


def by_lineage(rows: Sequence[Row], known: Mapping[str, str]) -> dict[str, list[Row]]:
    """The rows by the family of models that wrote them. A model that is not known is a family of its own."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        names = [row.model, *row.model.split("/")]
        lineage = next((known[name] for name in names if name in known), row.model)
        found.setdefault(lineage, []).append(row)
    return found


def _ids_in(content: bytes) -> set[str]:
    """The ids of the rows in a file."""
    # Lines of JSONL end with a line feed; a text may have other ends of lines in it.
    return {str(json.loads(line)["id"]) for line in content.decode().split("\n") if line.strip()}


def counts_of(found: Harvest, rows: Sequence[Row], refused: int) -> dict[str, Any]:
    """What is noted of an upload, in numbers."""
    left_out = {str(reason): number for reason, number in found.left_out.items()}
    if refused:
        left_out[str(LeftOut.REFUSED)] = refused
    languages: dict[str, int] = {}
    for row in rows:
        languages[row.language] = languages.get(row.language, 0) + 1
    return {
        "likes": sum(row.liked for row in rows),
        "dislikes": sum(not row.liked for row in rows),
        "languages": languages,
        "left_out": left_out,
    }


def _agreed(people: Collection[int]) -> Select[int]:
    """What selects those of them who agree to training."""
    return select(Member.id).where(Member.id.in_(people), Member.training_consent.is_(True))


async def _story(session: AsyncSession, conversation_id: int) -> Story:
    conversation = await session.get_one(Conversation, conversation_id)
    in_it = Message.conversation_id == conversation_id
    messages = (await session.scalars(select(Message).where(in_it).order_by(Message.id))).all()
    feedback = (
        await session.scalars(select(Feedback).join(Message, Message.id == Feedback.message_id).where(in_it))
    ).all()
    notes: dict[int, list[CanonNote]] = {}
    query = select(CanonNote).where(CanonNote.conversation_id == conversation_id).order_by(CanonNote.id)
    for note in await session.scalars(query):
        notes.setdefault(note.message_id, []).append(note)
    people = people_of(conversation, messages) | {each.member_id for each in feedback}
    consenting = await session.scalars(_agreed(people))
    return Story(conversation, messages, notes, feedback, frozenset(consenting))

"""Reading the rated stories, and giving what may be learnt from them to the trainer: a file of liked chats, and one of
rated answers, for each family of models that wrote them, since none may learn from another's. What was given is noted,
with whose it is, so that `/privacy` reaches it."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, select
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
from bot.trainer import FileKind, TrainerError, TrainerRefused
from bot.trainer_client import Trainer

log = logging.getLogger(__name__)

# A file is noted under its name until the trainer's id for it is known.
_NAMED = "feedback-"
_UNFINISHED = TrainingUpload.file_id.startswith(_NAMED, autoescape=True)
# After so long no request is on its way any more.
_PATIENCE = timedelta(hours=1)


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
            NothingToUpload: there is nothing. TrainerError: it could not be given, or nobody knows whether it was; what
                was given before stays noted.
        """
        began = now()
        found = await self.preview()
        if not found.rated:
            raise NothingToUpload
        known = await self._lineages()
        aliases = {person: secrets.token_hex(16) for person in found.people}
        kinds: tuple[tuple[FileKind, Sequence[Row]], ...] = (("chats", found.chats), ("rated", found.rated))
        done: list[Uploaded] = []
        try:
            for kind, rows in kinds:
                for lineage, part in by_lineage(rows, known).items():
                    done.append(await self._give(kind, lineage, part, aliases, found, actor_id, began))
        finally:
            if done:
                await self._note_given(done, actor_id, guild_id)
        return done

    async def _note_given(self, done: Sequence[Uploaded], actor_id: int, guild_id: int) -> None:
        given = [uploaded for uploaded in done if uploaded.file_id]
        details = {"files": [uploaded.file_id for uploaded in given], "rows": sum(u.rows for u in given)}
        async with self._database.transaction() as session:
            GuildRepository(session).note(guild_id, actor_id, "dataset add-feedback", details)

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
        """Offer a file, of which the trainer leaves out what it finds fault with. Whose rows are in it is noted before
        it goes out, so that nothing is ever there that `/privacy` does not reach."""
        plain = re.sub(r"[^A-Za-z0-9.]+", "-", lineage)[:50]
        filename = f"{_NAMED}{kind}-{plain}-{now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}.jsonl"
        rows = await self._announce(filename, kind, rows, aliases, found, actor_id, began)
        if not rows:
            return Uploaded(kind, lineage, "", 0, 0, ())
        lines = [json.dumps(row.as_json(aliases, rated=kind == "rated"), ensure_ascii=False) for row in rows]
        content = ("\n".join(lines) + "\n").encode()
        people = sorted({person for row in rows for person in row.people})
        try:
            stored = await self._trainer.upload(filename, content, kind, [aliases[each] for each in people])
        except TrainerRefused as error:
            await self._withdraw(filename)
            return Uploaded(kind, lineage, "", 0, len(rows), tuple(str(error).splitlines()))
        taken = _rows_in(await self._trainer.content(stored.id))
        kept = [row for row in rows if row.id in taken]
        await self._complete(filename, stored.id, taken, counts_of(found, kept, stored.left_out))
        return Uploaded(kind, lineage, stored.id, len(taken), stored.left_out, stored.dropped)

    async def _announce(
        self,
        filename: str,
        kind: FileKind,
        rows: Sequence[Row],
        aliases: Mapping[int, str],
        found: Harvest,
        actor_id: int,
        began: datetime,
    ) -> list[Row]:
        """Note a file that is about to be offered, under its name. Its rows, without those of people who took their
        consent back, or left, since they were read."""
        async with self._database.transaction() as session:
            people = {person for row in rows for person in row.people}
            agreed = set(await session.scalars(_agreed(people).with_for_update(read=True)))
            left = [row for row in rows if agreed.issuperset(row.people)]
            if not left:
                return []
            upload = TrainingUpload(
                file_id=filename,
                kind=kind,
                lineage=", ".join(sorted({row.model for row in left}))[:200],
                rows=len(left),
                counts=counts_of(found, left, 0),
                actor_id=actor_id,
            )
            session.add(upload)
            await session.flush()
            session.add_all(
                TrainingContribution(
                    upload_id=upload.id,
                    member_id=person,
                    alias=aliases[person],
                    row_ids=[row.id for row in left if person in row.people],
                    created_at=began,  # a deletion that is being carried out reaches what was read before it
                )
                for person in sorted({person for row in left for person in row.people})
            )
        return left

    async def _complete(
        self,
        filename: str,
        file_id: str,
        taken: Mapping[str, Sequence[str]],
        counts: dict[str, Any] | None = None,
    ) -> None:
        """Note that the trainer has a file, and what of it. `taken`: row → the aliases of whose talk it is."""
        parts: dict[str, list[str]] = {}
        for row, aliases in taken.items():
            for alias in aliases:
                parts.setdefault(alias, []).append(row)
        names = TrainingUpload.file_id.in_((filename, file_id))
        async with self._database.transaction() as session:
            upload = (
                await session.scalars(select(TrainingUpload).where(names).with_for_update())
            ).one_or_none()
            if upload is not None:
                if upload.file_id == file_id:
                    return
                upload.file_id, upload.rows, upload.counts = file_id, len(taken), counts or upload.counts
                of_it = TrainingContribution.upload_id == upload.id
                people = (await session.scalars(select(TrainingContribution.member_id).where(of_it))).all()
                agreed = set(await session.scalars(_agreed(people).with_for_update(read=True)))
                for part in await session.scalars(
                    select(TrainingContribution).where(of_it).with_for_update()
                ):
                    part.row_ids = parts.pop(part.alias, []) if part.member_id in agreed else []
                    if not part.row_ids:
                        await session.delete(part)
            for alias in parts:  # they took it back, or left, while the file was on its way
                await session.merge(DueForgetting(alias=alias))

    async def _withdraw(self, filename: str) -> None:
        """The trainer does not have the file of this name."""
        upload = select(TrainingUpload.id).where(TrainingUpload.file_id == filename).scalar_subquery()
        async with self._database.transaction() as session:
            await session.execute(
                delete(TrainingContribution).where(TrainingContribution.upload_id == upload)
            )
            await session.execute(delete(TrainingUpload).where(TrainingUpload.file_id == filename))

    async def settle(self) -> None:
        """Find out what became of files whose way to the trainer was cut off: it has one of their name, or it has not.
        Best effort; whoever has a part in them is known from before they went out."""
        long_ago = now() - _PATIENCE
        query = select(TrainingUpload.file_id).where(_UNFINISHED, TrainingUpload.created_at < long_ago)
        async with self._database.reading() as session:
            unfinished = (await session.scalars(query)).all()
        if not unfinished or not self._trainer.is_set:
            return
        try:
            there = {each.name: each.id for each in await self._trainer.datasets()}
            for name in unfinished:
                if name in there:
                    await self._complete(
                        name, there[name], _rows_in(await self._trainer.content(there[name]))
                    )
                else:
                    await self._withdraw(name)
        except TrainerError as error:
            log.warning("whether the trainer has the files that were on their way is not known: %s", error)

    async def newest(self, limit: int = 10) -> Sequence[TrainingUpload]:
        """The newest files given to the trainer, newest first."""
        query = select(TrainingUpload).where(~_UNFINISHED).order_by(TrainingUpload.id.desc()).limit(limit)
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


def _rows_in(content: bytes) -> dict[str, tuple[str, ...]]:
    """The ids of the rows in a file, each with the aliases of whose talk it is."""
    # Lines of JSONL end with a line feed; a text may have other ends of lines in it.
    rows = [json.loads(line) for line in content.decode().split("\n") if line.strip()]
    return {str(row["id"]): tuple(map(str, row.get("members") or ())) for row in rows}


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

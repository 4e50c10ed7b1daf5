"""What members can do with their own data. Knows no Discord: ids in, receipts out.

A deletion is promised in the log first, then carried out: with those who hold data elsewhere, then in the database, in
one transaction that also notes that it was done. So after a crash at any moment, and after a backup from before was
restored, the next start finds promises that are not noted as done, and keeps them. A consent to training that is taken
back goes the same way.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from bot.conversations.repository import ConversationRepository
from bot.database.connection import Database
from bot.database.tables import Deletion, Job, JobStatus, Member, TrainingContribution, now
from bot.privacy.deletion_log import DeletionLog, DeletionLogDamaged, Entry
from bot.privacy.erasure import Erasure
from bot.privacy.subject import DataHolder, Subject
from bot.privacy.training import forget_contributions

log = logging.getLogger(__name__)

# Seconds that running answers are waited for, so that they end visibly; those that have not by then lose their rows.
_PATIENCE = 5.0
_LOOK_EVERY = 0.1


@dataclass(frozen=True)
class Receipt:
    """What a deletion has removed, by kind; the kinds are English plurals."""

    id: str
    counts: dict[str, int]


class PrivacyService:
    """Deletion and consent. `stop` stops an answer that is being written or waits."""

    def __init__(
        self,
        database: Database,
        deletions: DeletionLog,
        *,
        holders: Sequence[DataHolder] = (),
        stop: Callable[[int], Awaitable[object]],
    ) -> None:
        self._database = database
        self._deletions = deletions
        self._holders = holders
        self._stop = stop

    async def delete(self, member_id: int, *, take_down: bool) -> Receipt:
        """Delete all that is known of a member; with `take_down`, also what the bot posted in stories that were theirs
        alone, and what quotes them elsewhere.

        Raises:
            OSError, DeletionLogDamaged: the log could not be written; nothing was deleted.
        """
        entry = await self._deletions.promise(member_id, now(), posts=take_down)
        await self._stop_answers(member_id)
        return await carry_out(self._database, entry, Subject.known(member_id, entry.at), self._holders)

    async def _stop_answers(self, member_id: int) -> None:
        query = select(Job.answer_id).where(
            Job.member_id == member_id, Job.status.in_((JobStatus.QUEUED, JobStatus.RUNNING))
        )
        async with self._database.transaction() as session:
            answers = (await session.scalars(query)).all()
        for answer_id in answers:
            await self._stop(answer_id)
        waited = 0.0
        while answers and waited < _PATIENCE:
            await asyncio.sleep(_LOOK_EVERY)
            waited += _LOOK_EVERY
            async with self._database.transaction() as session:
                answers = (await session.scalars(query)).all()

    async def consent(self, member_id: int) -> bool:
        """Whether a member lets what they rate be trained on. Off until they say so."""
        async with self._database.transaction() as session:
            member = await session.get(Member, member_id)
            return bool(member and member.training_consent)

    async def set_consent(self, member_id: int, *, given: bool) -> None:
        """A member has said whether; they are not asked any more. Who takes it back has their rows removed at the
        trainer too, before another run begins."""
        if not given and await self.consent(member_id):
            await self._withdraw(member_id)
        async with self._database.transaction() as session:
            member = await ConversationRepository(session).member(member_id)
            member.training_consent = given
            member.consent_asked_at = member.consent_asked_at or now()
            if not given:
                await forget_contributions(session, {member_id}, now())

    async def _withdraw(self, member_id: int) -> None:
        """In the log first, so that no backup from before gives the consent again. A log that cannot be written keeps
        nobody from taking it back."""
        try:
            entry = await self._deletions.note_withdrawal(member_id, now())
        except (OSError, DeletionLogDamaged):
            log.exception(
                "a consent was taken back that is not in the deletion log: an older backup gives it again"
            )
            return
        await take_back(self._database, entry, Subject.known(member_id, entry.at))

    async def may_ask(self, member_id: int) -> bool:
        """Whether a member is still to be asked for their consent. True once in a lifetime: asking is noted here."""
        async with self._database.transaction() as session:
            member = await session.get(Member, member_id, with_for_update=True)
            if member is None or member.training_consent is not None or member.consent_asked_at is not None:
                return False
            member.consent_asked_at = now()
            return True


async def carry_out(
    database: Database, entry: Entry, subject: Subject, holders: Sequence[DataHolder] = ()
) -> Receipt:
    """Do what was promised; once, however often it is asked for."""
    counts: Counter[str] = Counter()
    for holder in holders:
        counts[holder.name] += await holder.forget(subject)
    try:
        async with database.transaction() as session:
            # First of all: another process that does the same waits here, and then finds it done.
            done = Deletion(id=entry.id, counts={})
            session.add(done)
            await session.flush()
            counts += await Erasure(session, subject, take_down=entry.posts).run()
            done.counts = {kind: number for kind, number in sorted(counts.items()) if number}
    except IntegrityError:
        async with database.transaction() as session:
            earlier = await session.get(Deletion, entry.id)
            if earlier is None:
                raise
            return Receipt(entry.id, dict(earlier.counts))
    return Receipt(entry.id, dict(done.counts))


async def take_back(database: Database, entry: Entry, subject: Subject) -> None:
    """Take back the consent to training, and have what was given before forgotten; once, however often it is asked
    for."""
    try:
        async with database.transaction() as session:
            done = Deletion(id=entry.id, counts={})
            session.add(done)
            await session.flush()
            candidates = set(
                await session.scalars(select(Member.id).where(Member.training_consent.is_(True)))
            )
            candidates |= set(await session.scalars(select(TrainingContribution.member_id).distinct()))
            ids = subject.among(candidates)
            await session.execute(update(Member).where(Member.id.in_(ids)).values(training_consent=False))
            if rows := await forget_contributions(session, ids, subject.before):
                done.counts = {"training rows": rows}
    except IntegrityError:
        log.info("another process takes the consent of deletion-log entry %s back", entry.id)


async def keep_withdrawals(database: Database, deletions: DeletionLog) -> int:
    """At the start: take back the consents whose withdrawal this database knows nothing of; how many those were.

    Raises:
        OSError, DeletionLogDamaged: the log cannot be read.
    """
    unknown = [entry for entry in await _unknown(database, deletions) if entry.consent]
    for entry in unknown:
        await take_back(database, entry, await deletions.subject(entry))
    if unknown:
        log.warning("took back %d consents to training of the log", len(unknown))
    return len(unknown)


async def _unknown(database: Database, deletions: DeletionLog) -> list[Entry]:
    """What is in the log and not noted as done."""
    entries = await deletions.entries()
    async with database.transaction() as session:
        known = set(await session.scalars(select(Deletion.id)))
    return [entry for entry in entries if entry.id not in known]


async def keep_promises(
    database: Database, deletions: DeletionLog, holders: Sequence[DataHolder] = ()
) -> list[Receipt]:
    """At the start: carry out the deletions of the log that this database knows nothing of, since the process died in
    the middle or a backup from before was restored.

    Raises:
        OSError, DeletionLogDamaged: the log cannot be read.
    """
    receipts = []
    for entry in await _unknown(database, deletions):
        if not entry.consent:
            receipts.append(await carry_out(database, entry, await deletions.subject(entry), holders))
    if receipts:
        removed = sum(sum(receipt.counts.values()) for receipt in receipts)
        log.warning("carried out %d deletions of the log: %d rows", len(receipts), removed)
    return receipts

"""Which of a server's quotas hold for a member. Knows no database: rows in, an allowance out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.database.tables import Quota, QuotaSubject


@dataclass(frozen=True)
class Allowance:
    """How much somebody may use; None is no limit of that kind."""

    answers_per_day: int | None = None
    concurrency: int | None = None


def member_allowance(quotas: Sequence[Quota], member_id: int, role_ids: Collection[int]) -> Allowance:
    """What one member may use in a server with these quotas.

    The most specific quota holds, whole: the member's own, else their roles', else everyone's. Of several roles the
    most generous one counts, for each kind of limit by itself.
    """
    own = [q for q in quotas if q.subject == QuotaSubject.MEMBER and q.subject_id == member_id]
    roles = [q for q in quotas if q.subject == QuotaSubject.ROLE and q.subject_id in role_ids]
    everyone = [q for q in quotas if q.subject == QuotaSubject.EVERYONE]
    return _most_generous(own or roles or everyone)


def guild_allowance(quotas: Sequence[Quota]) -> Allowance:
    """What the members of a server may use together."""
    return _most_generous([q for q in quotas if q.subject == QuotaSubject.GUILD])


def _most_generous(quotas: Sequence[Quota]) -> Allowance:
    return Allowance(
        _most([q.answers_per_day for q in quotas]),
        _most([q.concurrency for q in quotas]),
    )


def _most(limits: Sequence[int | None]) -> int | None:
    known = [limit for limit in limits if limit is not None]
    return max(known) if known and len(known) == len(limits) else None

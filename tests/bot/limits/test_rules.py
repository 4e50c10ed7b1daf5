"""Which quota holds for whom."""

from __future__ import annotations

from bot.database.tables import Quota, QuotaSubject
from bot.limits.rules import Allowance, guild_allowance, member_allowance

MEMBER, ROLE, OTHER_ROLE = 1, 50, 51


def quota(
    subject: QuotaSubject, subject_id: int, answers: int | None, concurrency: int | None = None
) -> Quota:
    return Quota(
        guild_id=10,
        subject=subject,
        subject_id=subject_id,
        answers_per_day=answers,
        concurrency=concurrency,
    )


EVERYONE = quota(QuotaSubject.EVERYONE, 0, 5, 1)


def test_without_quotas_nothing_is_limited() -> None:
    assert member_allowance([], MEMBER, [ROLE]) == Allowance(None, None)


def test_everyone_has_what_everyone_has() -> None:
    assert member_allowance([EVERYONE], MEMBER, [ROLE]) == Allowance(5, 1)


def test_a_roles_quota_holds_before_everyones_even_where_it_is_the_smaller() -> None:
    quotas = [EVERYONE, quota(QuotaSubject.ROLE, ROLE, 2)]
    assert member_allowance(quotas, MEMBER, [ROLE]) == Allowance(2, None)
    assert member_allowance(quotas, MEMBER, [OTHER_ROLE]) == Allowance(5, 1)


def test_of_several_roles_the_most_generous_counts_for_each_kind_by_itself() -> None:
    quotas = [quota(QuotaSubject.ROLE, ROLE, 20, 1), quota(QuotaSubject.ROLE, OTHER_ROLE, 3, 4)]
    assert member_allowance(quotas, MEMBER, [ROLE, OTHER_ROLE]) == Allowance(20, 4)


def test_a_role_without_a_limit_lifts_the_others() -> None:
    quotas = [quota(QuotaSubject.ROLE, ROLE, 20), quota(QuotaSubject.ROLE, OTHER_ROLE, None)]
    assert member_allowance(quotas, MEMBER, [ROLE, OTHER_ROLE]).answers_per_day is None


def test_a_members_own_quota_holds_before_all_others() -> None:
    quotas = [EVERYONE, quota(QuotaSubject.ROLE, ROLE, 20, 4), quota(QuotaSubject.MEMBER, MEMBER, 0)]
    assert member_allowance(quotas, MEMBER, [ROLE]) == Allowance(0, None)
    assert member_allowance(quotas, 2, [ROLE]) == Allowance(20, 4)


def test_the_servers_quota_is_apart_from_its_members() -> None:
    quotas = [EVERYONE, quota(QuotaSubject.GUILD, 0, 100, 3)]
    assert guild_allowance(quotas) == Allowance(100, 3)
    assert member_allowance(quotas, MEMBER, []) == Allowance(5, 1)

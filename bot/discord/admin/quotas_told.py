"""A quota in words: for whom, and how much."""

from __future__ import annotations

from bot.database.tables import QuotaSubject
from bot.guilds.administration import Subject
from bot.words import Words


def quota_line(words: Words, subject: Subject, answers: int | None, at_once: int | None) -> str:
    """A quota as a line: for whom, and how much."""
    parts = []
    if answers is not None:
        parts.append(words.plural("{n} answer in 24 hours", "{n} answers in 24 hours", answers))
    if at_once is not None:
        parts.append(words.plural("{n} answer at once", "{n} answers at once", at_once))
    what = ", ".join(parts) or words.say("no limit")
    return words.say("{who}: {quota}", who=name_of(words, subject), quota=what)


def name_of(words: Words, subject: Subject) -> str:
    """Whom a quota is for."""
    if subject.kind is QuotaSubject.ROLE:
        return f"<@&{subject.id}>"
    if subject.kind is QuotaSubject.MEMBER:
        return f"<@{subject.id}>"
    if subject.kind is QuotaSubject.GUILD:
        return words.say("all members together")
    return words.say("each member")

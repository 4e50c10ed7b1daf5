"""What `/admin quota list` shows: the quotas, and a form for each, for everyone, all together, a role or a member."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import discord
from discord import ui
from discord.ext import commands

from bot.database.tables import Quota, QuotaSubject
from bot.discord.admin.controls import AdminButton, AdminSubjectSelect, Press
from bot.discord.admin.forms import AdminForm, Line
from bot.discord.admin.quotas_told import name_of, quota_line
from bot.discord.colours import INFORMATION
from bot.discord.replies import NOBODY, whisper
from bot.guilds.administration import Subject
from bot.text.length import shorten
from bot.words import Words, words_for

if TYPE_CHECKING:
    from bot.discord.client import Parts

PANEL = "quota"
MOST_AT_ONCE = 25
MOST_A_DAY = 100_000
_DAY, _AT_ONCE = "day", "once"
_SHOWN = 40
_TEXT_LIMIT = 3500


class QuotaPanel(commands.Cog):
    """A part of `AdminCog`: quotas by buttons and forms."""

    _parts: Parts

    async def show_quotas(self, interaction: discord.Interaction, notice: str = "") -> None:
        """The panel, as the answer to a deferred interaction."""
        words = words_for(str(interaction.locale))
        quotas = await self._parts.administration.quotas(interaction.guild_id or 0)
        await interaction.edit_original_response(
            content=notice or None,
            embed=_embed(words, quotas),
            view=_controls(words),
            allowed_mentions=NOBODY,
        )

    async def quota_pressed(self, interaction: discord.Interaction, press: Press) -> None:
        """Open the form for whom was chosen; the role that everybody has is everybody."""
        subject = _subject(press.values[0] if press.values else press.argument)
        if subject == Subject(QuotaSubject.ROLE, interaction.guild_id or 0):
            subject = Subject(QuotaSubject.EVERYONE)
        words = words_for(str(interaction.locale))
        if subject is None:
            await whisper(interaction, words.say("I do not know whom you mean. Please choose again."))
            return
        quotas = await self._parts.administration.quotas(interaction.guild_id or 0)
        now = next((q for q in quotas if (q.subject, q.subject_id) == (subject.kind, subject.id)), None)
        await interaction.response.send_modal(_form(words, subject, now))

    async def quota_sent(
        self, interaction: discord.Interaction, press: Press, filled: dict[str, str]
    ) -> None:
        """A form was sent in: set the quota, or lift it where both lines are empty."""
        await interaction.response.defer()
        words = words_for(str(interaction.locale))
        subject = _subject(press.argument)
        if subject is None:
            await whisper(interaction, words.say("I do not know whom you mean. Please choose again."))
            return
        try:
            day = _number(filled.get(_DAY, ""), 0, MOST_A_DAY)
            at_once = _number(filled.get(_AT_ONCE, ""), 1, MOST_AT_ONCE)
        except ValueError:
            await whisper(
                interaction,
                words.say(
                    "I need whole numbers: answers in 24 hours from 0 to {day}, answers at once from 1 to {once}; or "
                    "nothing, for no limit. Nothing was changed.",
                    day=words.number(MOST_A_DAY),
                    once=words.number(MOST_AT_ONCE),
                ),
            )
            return
        guild_id, actor = interaction.guild_id or 0, interaction.user.id
        if day is None and at_once is None and not self._exempts(subject):
            await self._parts.administration.remove_quota(guild_id, actor, subject)
            notice = words.say("There is no quota for {who} any more.", who=name_of(words, subject))
        else:
            await self._parts.administration.set_quota(guild_id, actor, subject, day, at_once)
            line = quota_line(words, subject, day, at_once)
            notice = words.say("From now on: {quota}", quota=line)
        await self.show_quotas(interaction, notice)

    @staticmethod
    def _exempts(subject: Subject) -> bool:
        """Whether «no limit» says something: for a role or a member it goes before what holds for everyone."""
        return subject.kind in (QuotaSubject.ROLE, QuotaSubject.MEMBER)


def _embed(words: Words, quotas: Sequence[Quota]) -> discord.Embed:
    lines = [
        f"- {quota_line(words, Subject(q.subject, q.subject_id), q.answers_per_day, q.concurrency)}"
        for q in quotas[:_SHOWN]
    ]
    if len(quotas) > _SHOWN:
        lines.append(words.plural("… and {n} more", "… and {n} more", len(quotas) - _SHOWN))
    text = "\n".join(lines) or words.say("This server has set no quotas.")
    embed = discord.Embed(
        title=words.say("Quotas"), description=shorten(text, _TEXT_LIMIT), colour=INFORMATION
    )
    embed.set_footer(
        text=words.say(
            "A member's own quota goes before those of their roles, of which the most generous counts, and those "
            "before everyone's. The one for all together comes on top."
        )
    )
    return embed


def _controls(words: Words) -> ui.View:
    view = ui.View(timeout=None)
    placeholder = shorten(words.say("A role or a member …"), 150)
    view.add_item(AdminSubjectSelect(Press(PANEL, "edit"), placeholder=placeholder, row=0))
    for kind in (QuotaSubject.EVERYONE, QuotaSubject.GUILD):
        label = shorten(name_of(words, Subject(kind)), 80)
        view.add_item(AdminButton(Press(PANEL, "edit", kind.value), label=label, emoji="✏️", row=1))
    return view


def _form(words: Words, subject: Subject, now: Quota | None) -> AdminForm:
    argument = subject.kind.value + (f".{subject.id}" if subject.id else "")

    def shown(number: int | None) -> str:
        return "" if number is None else str(number)

    return AdminForm(
        Press(PANEL, "set", argument),
        words.say("Quota"),
        [
            Line(
                _DAY,
                words.say("Answers in 24 hours"),
                words.say("0 is none; empty is no limit"),
                shown(now.answers_per_day if now else None),
            ),
            Line(
                _AT_ONCE,
                words.say("Answers at once"),
                words.say("Empty is no limit of yours"),
                shown(now.concurrency if now else None),
            ),
        ],
    )


def _subject(named: str) -> Subject | None:
    """`everyone`, `guild`, `role.ID` or `member.ID`."""
    kind, _, found = named.partition(".")
    if kind in (QuotaSubject.EVERYONE, QuotaSubject.GUILD) and not found:
        return Subject(QuotaSubject(kind))
    if kind in (QuotaSubject.ROLE, QuotaSubject.MEMBER) and found.isdecimal():
        return Subject(QuotaSubject(kind), int(found))
    return None


def _number(text: str, least: int, most: int) -> int | None:
    """A whole number in between, None for nothing. Raises ValueError for anything else."""
    if not text:
        return None
    number = int(text)
    if not least <= number <= most:
        raise ValueError
    return number

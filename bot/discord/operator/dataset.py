"""`/admin dataset`: what there is to train on, and members' verdicts on their way to it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import discord
from discord import ui
from discord.app_commands import locale_str
from discord.ext import commands
from discord.utils import escape_markdown, format_dt

from bot.discord.admin.controls import AdminButton, Press
from bot.discord.colours import DONE, INFORMATION, OVER
from bot.discord.operation_problems import trainer_trouble
from bot.discord.operator.access import OperatorGroup, require_operator
from bot.discord.replies import NOBODY, whisper
from bot.operation.feedback import Harvest, LeftOut
from bot.operation.uploads import Uploaded
from bot.text.length import shorten
from bot.trainer import TrainerError
from bot.words import Words, to_say, words_for
from model.languages import LANGUAGES

if TYPE_CHECKING:
    from bot.discord.client import Parts

PANEL = "dataset"
_SAMPLES = 5
_LANGUAGES = 12
_REASONS = 5
_WHY = {
    LeftOut.NO_CONSENT: to_say(
        "somebody who wrote in the story, or whoever rated it, has not agreed to training"
    ),
    LeftOut.DIVIDED: to_say("as many liked it as did not"),
    LeftOut.MATURE: to_say("the story is rated mature"),
    LeftOut.GAPS: to_say("part of what stands before it was deleted"),
    LeftOut.UNFINISHED: to_say("it was stopped, cut off or failed"),
    LeftOut.WRONG_LANGUAGE: to_say("it is in the wrong language"),
    LeftOut.UNKNOWN_MODEL: to_say("nobody noted which model wrote it, so its licence is not known"),
    LeftOut.REFUSED: to_say("the trainer's checks found fault with it"),
}
_KINDS = {"chats": to_say("liked chats (SFT)"), "rated": to_say("rated answers (KTO)")}


class DatasetCommands(commands.Cog):
    """A part of `OperatorCog`: the data."""

    _parts: Parts

    dataset = OperatorGroup(
        name=locale_str(to_say("dataset")), description=locale_str(to_say("What there is to train on"))
    )

    @dataset.command(
        name=locale_str(to_say("stats")),
        description=locale_str(to_say("All datasets, and what members gave")),
    )
    async def stats(self, interaction: discord.Interaction) -> None:
        """The trainer's datasets, and the files made of feedback."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        embed = discord.Embed(title=words.say("Data"), colour=INFORMATION)
        try:
            found = await self._parts.operation.trainer.datasets()
            lines = [
                words.line(f"- **{words.inside(escape_markdown(each.name))}** · ")
                + words.plural("{n} row", "{n} rows", each.rows)
                + " · "
                + words.plural("{n} language", "{n} languages", len(each.languages))
                for each in found
            ]
            embed.description = shorten("\n".join(lines), 4000)
        except TrainerError as error:
            embed.description = "⚠️ " + trainer_trouble(words, error)
        uploads = await self._parts.operation.uploads.newest()
        if uploads:
            lines = [
                words.line(f"- {format_dt(each.created_at, 'd')} · ")
                + words.say(_KINDS.get(each.kind, each.kind))
                + " · "
                + words.plural("{n} row", "{n} rows", each.rows)
                for each in uploads
            ]
            embed.add_field(
                name=words.say("Made of feedback"), value=shorten("\n".join(lines), 1000), inline=False
            )
        await interaction.followup.send(embed=embed, ephemeral=True, allowed_mentions=NOBODY)

    @dataset.command(
        name=locale_str(to_say("preview")),
        description=locale_str(to_say("What rated chats there are for training, with a few of them")),
    )
    async def preview(self, interaction: discord.Interaction) -> None:
        """The numbers, and a few rows as a file."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        found = await self._parts.operation.uploads.preview()
        aliases = dict.fromkeys(found.people, "…")
        rows = [row.as_json(aliases, rated=True) for row in found.rated[:_SAMPLES]]
        text = "\n".join(
            json.dumps({k: v for k, v in row.items() if k != "members"}, ensure_ascii=False) for row in rows
        )
        files = [discord.File(io.BytesIO(text.encode()), "examples.jsonl")] if rows else []
        await interaction.followup.send(
            embed=harvest_embed(words, found), files=files, ephemeral=True, allowed_mentions=NOBODY
        )

    @dataset.command(
        name=locale_str(to_say("add-feedback")),
        description=locale_str(to_say("Give the rated chats of those who agreed to the trainer")),
    )
    async def add_feedback(self, interaction: discord.Interaction) -> None:
        """The numbers, with a button that gives them to the trainer."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        found = await self._parts.operation.uploads.preview()
        view = ui.View(timeout=None)
        if found.rated:
            label = words.say("Give it to the trainer")
            press = Press(PANEL, "upload")
            view.add_item(AdminButton(press, label=label, emoji="📥", style=discord.ButtonStyle.success))
        await interaction.followup.send(
            embed=harvest_embed(words, found), view=view, ephemeral=True, allowed_mentions=NOBODY
        )

    async def dataset_pressed(self, interaction: discord.Interaction, press: Press) -> None:
        """«Give it to the trainer»: what there is now, whatever was shown."""
        await require_operator(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        if press.action != "upload":
            return
        words = words_for(str(interaction.locale))
        done = await self._parts.operation.uploads.upload(interaction.user.id, interaction.guild_id or 0)
        several = len({uploaded.lineage for uploaded in done}) > 1
        lines = [line for uploaded in done for line in upload_lines(words, uploaded, lineage=several)]
        if any(uploaded.file_id for uploaded in done):
            lines.append(words.say("**/admin train start** suggests the files from now on."))
        await whisper(interaction, shorten("\n".join(lines), 1900))


def harvest_embed(words: Words, found: Harvest) -> discord.Embed:
    """What there is, in numbers: how much, in which languages, by which models; what is left out, and why."""
    embed = discord.Embed(
        title=words.say("Rated chats for training"),
        description="\n".join(
            [
                words.plural(
                    "{n} liked chat to learn from (SFT)",
                    "{n} liked chats to learn from (SFT)",
                    len(found.chats),
                ),
                words.plural("{n} rated answer (KTO)", "{n} rated answers (KTO)", len(found.rated))
                + f": 👍 {words.number(found.likes)} · 👎 {words.number(found.dislikes)}",
                words.plural("by {n} member", "by {n} members", len(found.people)),
            ]
        ),
        colour=DONE if found.rated else OVER,
    )
    if found.languages:
        embed.add_field(name=words.say("Languages"), value=_languages(words, found.languages), inline=False)
    if found.models:
        lines = [f"- {escape_markdown(name)}: {words.number(n)}" for name, n in found.models.most_common(8)]
        embed.add_field(name=words.say("Written by"), value=shorten("\n".join(lines), 1000), inline=False)
    if found.left_out:
        lines = [f"- {words.number(n)}: " + words.say(_WHY[why]) for why, n in found.left_out.most_common()]
        embed.add_field(name=words.say("Left out"), value=shorten("\n".join(lines), 1000), inline=False)
    return embed


def _languages(words: Words, counts: Mapping[str, int]) -> str:
    first = sorted(counts.items(), key=lambda item: -item[1])
    parts = [f"{words.language_name(LANGUAGES[code])} {words.number(n)}" for code, n in first[:_LANGUAGES]]
    if len(first) > _LANGUAGES:
        parts.append(words.plural("… and {n} more", "… and {n} more", len(first) - _LANGUAGES))
    return ", ".join(parts)


def upload_lines(words: Words, uploaded: Uploaded, *, lineage: bool = False) -> list[str]:
    """What became of one file; with `lineage`, also whose answers are in it."""
    kind = words.say(_KINDS[uploaded.kind])
    if lineage:
        kind = f"{kind} · {escape_markdown(words.inside(uploaded.lineage))}"
    if uploaded.file_id:
        lines = [
            words.plural(
                "📥 {kind}: the trainer took {n} row.",
                "📥 {kind}: the trainer took {n} rows.",
                uploaded.rows,
                kind=kind,
            )
        ]
    else:
        lines = [words.say("❌ {kind}: the trainer took none of it.", kind=kind)]
    if uploaded.refused:
        lines.append(
            words.plural("It found fault with {n} row:", "It found fault with {n} rows:", uploaded.refused)
        )
        lines += [f"- {escape_markdown(shorten(reason, 200))}" for reason in uploaded.reasons[:_REASONS]]
    return lines

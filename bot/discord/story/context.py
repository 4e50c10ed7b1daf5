"""`/story context`: what I would tell the model now, part by part, seen by who asked alone."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import discord
from discord import app_commands
from discord.app_commands import locale_str
from discord.ext import commands

from bot.answers.insight import Insight, Kind, Part
from bot.answers.wording import explain
from bot.conversations.errors import NoStoryHere
from bot.discord.colours import INFORMATION
from bot.discord.paging import Pages
from bot.discord.replies import whisper
from bot.errors import WorkerError
from bot.text.safety import for_embed, for_title
from bot.words import Words, to_say, words_for
from model.errors import PromptTooLong

if TYPE_CHECKING:
    from bot.discord.client import Parts

_PAGE = 3500  # characters of an embed's description
_EXCERPT = 150
_LONG_EXCERPT = 1500
_CELLS = 20
_USED, _KEPT, _FREE = "█", "▒", "░"
_MARKS = {Kind.SYSTEM: "⚙️", Kind.BIBLE: "📌", Kind.SUMMARY: "🧵", Kind.CANON: "📖", Kind.TURN: "💬"}


class ContextCommands(commands.Cog):
    """A part of `StoryCog`: a look into the prompt."""

    _parts: Parts

    @app_commands.command(
        name=locale_str(to_say("context")),
        description=locale_str(to_say("What I have in mind for the next answer, and how much room is left")),
    )
    @app_commands.rename(file=locale_str(to_say("file")))
    @app_commands.describe(file=locale_str(to_say("Attach the whole text, too")))
    async def context(self, interaction: discord.Interaction, file: bool = False) -> None:
        """Show the prompt of the story in this thread."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        words = words_for(str(interaction.locale))
        if interaction.channel_id is None:
            raise NoStoryHere
        try:
            insight = await self._parts.insight.look(interaction.channel_id)
        except (WorkerError, PromptTooLong) as error:
            await whisper(interaction, explain(words, error))
            return
        embeds = context_embeds(insight, words)
        attachments = [prompt_file(insight)] if file else []
        await Pages(embeds, words, interaction.user.id).show(interaction, attachments=attachments)


def prompt_file(insight: Insight) -> discord.File:
    """The prompt, message by message, as a text file."""
    text = "\n\n".join(f"=== {message['role']} ===\n{message['content']}" for message in insight.messages)
    return discord.File(io.BytesIO(f"{text}\n".encode()), filename="prompt.txt")


def context_embeds(insight: Insight, words: Words) -> list[discord.Embed]:
    """An overview, and pages with what is in it."""
    title = words.say("What I have in mind for this story")
    pages = [_overview(insight, words), *_paged(_details(insight, words))]
    embeds = [discord.Embed(title=title, description=page, colour=INFORMATION) for page in pages]
    if not insight.counted:
        footer = words.say("The writing machine does not count tokens; these are estimates.")
        for embed in embeds:
            embed.set_footer(text=footer)
    return embeds


def bar(insight: Insight) -> str:
    """The window as a bar: what the prompt takes, what is free, what is kept for the answer."""
    used = min(_CELLS, -(-insight.tokens * _CELLS // insight.window))
    kept = min(_CELLS - used, -(-insight.reserve * _CELLS // insight.window))
    return _USED * used + _FREE * (_CELLS - used - kept) + _KEPT * kept


def _overview(insight: Insight, words: Words) -> str:
    number = words.number
    lines = [
        f"`{bar(insight)}`",
        words.say(
            "**{tokens}** of {window} tokens are in use; {reserve} are kept for the answer.",
            tokens=number(insight.tokens),
            window=number(insight.window),
            reserve=number(insight.reserve),
        ),
        "",
    ]
    names = {
        Kind.SYSTEM: words.say("My instructions"),
        Kind.BIBLE: words.say("Story bible"),
        Kind.SUMMARY: words.say("Summary of what came before"),
        Kind.CANON: words.say("Looked up"),
        Kind.TURN: words.say("Messages, word for word"),
    }
    for kind, name in names.items():
        parts = insight.of(kind)
        if parts:
            many = f" ({number(len(parts))})" if kind in (Kind.BIBLE, Kind.CANON, Kind.TURN) else ""
            lines.append(f"{_MARKS[kind]} {name}{many}: {_tokens(insight.tokens_of(kind), words)}")
    if insight.frame:
        frame = words.say("What the model’s own form adds")
        lines.append(f"🧱 {frame}: {_tokens(insight.frame, words)}")
    if insight.summed_up:
        lines += ["", words.plural(
            "{n} older message is told by the summary.",
            "{n} older messages are told by the summary.",
            insight.summed_up,
        )]  # fmt: skip
    if insight.dropped:
        lines += ["", words.plural(
            "For {n} older message there is no room; it is left out.",
            "For {n} older messages there is no room; they are left out.",
            insight.dropped,
        )]  # fmt: skip
    return "\n".join(lines)


def _details(insight: Insight, words: Words) -> Iterator[str]:
    """A paragraph a part."""
    for part in insight.parts:
        if part.kind is Kind.SYSTEM:
            continue
        limit = _LONG_EXCERPT if part.kind is Kind.SUMMARY else _EXCERPT
        text = for_embed(" ".join(_shown(part).split()), limit)
        yield f"{_MARKS[part.kind]} {_headed(part, words)}{text} · {_tokens(part.tokens, words)}"


def _headed(part: Part, words: Words) -> str:
    if part.kind is Kind.CANON:
        return f"**{for_title(part.title, 100)}** "
    if part.kind is Kind.TURN:
        speaker = words.say("I") if part.title == "assistant" else words.say("You")
        return f"**{speaker}:** "
    return ""


def _shown(part: Part) -> str:
    """A part's text, without the title that stands in front of it in the prompt."""
    if part.kind in (Kind.CANON, Kind.SUMMARY):
        return part.text.partition("\n")[2]
    return part.text.removeprefix("- ") if part.kind is Kind.BIBLE else part.text


def _tokens(count: int, words: Words) -> str:
    return words.plural("{n} token", "{n} tokens", count)


def _paged(paragraphs: Iterable[str]) -> Iterator[str]:
    page = ""
    for paragraph in paragraphs:
        if page and len(page) + len(paragraph) > _PAGE:
            yield page
            page = ""
        page = f"{page}\n\n{paragraph}" if page else paragraph
    if page:
        yield page

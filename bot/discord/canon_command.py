"""`/canon`: looks a work up, for all to see, and puts what was found into the story of the thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import discord
from discord import app_commands, ui
from discord.app_commands import locale_str
from discord.ext import commands

from bot.canon import NothingFound
from bot.conversations.errors import NoStoryHere, StoryClosed, UnknownLanguage
from bot.discord.canon_embed import canon_embed
from bot.discord.paging import Pages
from bot.discord.replies import NOBODY, deferred
from bot.discord.story.access import steered_thread
from bot.discord.story.languages import language_choices, named_language
from bot.text.length import shorten
from bot.text.safety import for_title
from bot.words import Words, to_say, words_for
from model.languages import language_for_locale
from model.lookup_tag import MAX_TERM
from model.wikipedia import Page

if TYPE_CHECKING:
    from bot.discord.client import Parts

_CHOICE_LIMIT = 100
# What one member may ask Wikipedia by hand.
_MOST_SEARCHES, _IN_SECONDS = 6, 30.0


class CanonCog(commands.Cog):
    """Parses, asks, renders."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @app_commands.command(
        name=locale_str(to_say("canon")),
        description=locale_str(to_say("Look a work up, and use what I find in your story")),
    )
    @app_commands.rename(term=locale_str(to_say("term")), language=locale_str(to_say("language")))
    @app_commands.describe(
        term=locale_str(to_say("A work, a character, a place")),
        language=locale_str(to_say("In which language; otherwise the story's, or yours")),
    )
    @app_commands.guild_only()
    @app_commands.checks.cooldown(_MOST_SEARCHES, _IN_SECONDS)
    async def canon(
        self,
        interaction: discord.Interaction,
        term: app_commands.Range[str, 1, MAX_TERM],
        language: str | None = None,
    ) -> None:
        """Show the pages for a term."""
        pages = await deferred(interaction, self._search(interaction, term, language), ephemeral=False)
        words = words_for(str(interaction.locale))
        usable = interaction.channel_id if await self._in_story(interaction) else None
        await CanonPages(self._parts, pages, words, interaction.user.id, usable).show(
            interaction, allowed_mentions=NOBODY
        )

    async def _search(
        self, interaction: discord.Interaction, term: str, language: str | None
    ) -> Sequence[Page]:
        pages = await self._parts.canon.search(term, await self._language(interaction, language))
        if not pages:
            raise NothingFound
        return pages

    async def _language(self, interaction: discord.Interaction, chosen: str | None) -> str:
        """The language that was chosen, else the story's in whose thread we are, else the member's.

        Raises:
            UnknownLanguage: what was chosen is none.
        """
        if chosen:
            return named_language(chosen, words_for(str(interaction.locale))).code
        try:
            return (await self._parts.conversations.story_in(interaction.channel_id or 0)).language
        except (NoStoryHere, StoryClosed):
            own = language_for_locale(str(interaction.locale))
            return own.code if own else "en"

    async def _in_story(self, interaction: discord.Interaction) -> bool:
        return await self._parts.conversations.holds(interaction.channel_id or 0)

    @canon.autocomplete("term")
    async def _terms(self, interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        chosen = getattr(interaction.namespace, "language", None)
        try:
            language = await self._language(interaction, chosen if isinstance(chosen, str) else None)
        except UnknownLanguage:  # which is said when the command is sent
            language = await self._language(interaction, None)
        return [
            app_commands.Choice(name=shorten(each.name, _CHOICE_LIMIT), value=each.term)
            for each in await self._parts.canon.suggest(current, language)
        ]

    @canon.autocomplete("language")
    async def _languages(
        self, interaction: discord.Interaction, current: str
    ) -> list[app_commands.Choice[str]]:
        return language_choices(current, words_for(str(interaction.locale)))


class CanonPages(Pages):
    """The pages that were found; in a story's thread (`thread_id`) each can be put into the story's context."""

    def __init__(
        self, parts: Parts, pages: Sequence[Page], words: Words, owner_id: int, thread_id: int | None
    ) -> None:
        super().__init__([canon_embed(page, words) for page in pages], words, owner_id)
        self._parts = parts
        self._pages = pages
        self._use: ui.Button[CanonPages] = ui.Button(
            label=words.say("Use this"), emoji="📌", style=discord.ButtonStyle.primary
        )
        self._use.callback = self._use_page  # type: ignore[method-assign]
        if thread_id is not None:
            self.add_item(self._use)

    async def interaction_check(self, interaction: discord.Interaction, /) -> bool:
        """Whoever may steer the story may use a page of it; only who asked may turn them."""
        pressed = cast("dict[str, Any]", interaction.data or {}).get("custom_id")
        return pressed == self._use.custom_id or await super().interaction_check(interaction)

    async def _use_page(self, interaction: discord.Interaction) -> None:
        """Keep the page that is shown; the message stays as what shows it."""
        await interaction.response.defer()
        page, embed = self._pages[self.page], self.embeds[self.page]
        message: Any = interaction.message
        thread_id = await steered_thread(self._parts, interaction)
        await self._parts.conversations.use_page(thread_id, page, message.id)
        self.stop()
        name = for_title(interaction.user.display_name, 80)
        notice = self.words.say("📌 **{name}** put this into the story. I keep to it from now on.", name=name)
        await interaction.edit_original_response(
            content=notice, embed=embed, view=None, allowed_mentions=NOBODY
        )

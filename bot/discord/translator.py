"""Names and descriptions of commands in Discord's locales, from the same catalogues as all other words."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.words import words_for


class CatalogueTranslator(app_commands.Translator):
    """Looks command texts up. Where a catalogue lacks one, Discord shows the English."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """The text in a locale, or None."""
        if locale in (discord.Locale.american_english, discord.Locale.british_english):
            return None
        return words_for(locale.value).known(string.message)

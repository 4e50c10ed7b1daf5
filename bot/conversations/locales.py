"""In which language the bot itself speaks in a story's thread."""

from __future__ import annotations

from bot.database.tables import Conversation
from model.languages import LANGUAGES


def locale_there(conversation: Conversation, locale: str | None) -> str | None:
    """The locale to speak to a member in: theirs, unless the story's language was set to one that Discord does not
    speak, which nobody can have as their locale."""
    beyond = conversation.language_fixed and not LANGUAGES[conversation.language].discord_locales
    return conversation.language if beyond else locale

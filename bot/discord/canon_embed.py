"""What a look-up brought, as an embed: title, extract, picture, link, and where it is from."""

from __future__ import annotations

import discord

from bot.database.tables import CanonNote
from bot.discord.colours import LOOKED_UP, WARNING
from bot.text.safety import for_embed, for_title
from bot.words import Words
from model.languages import LANGUAGES
from model.wikipedia import Page

_EXTRACT_LIMIT = 700


def canon_embed(note: CanonNote | Page, words: Words) -> discord.Embed:
    """The embed for a page, in the words of who asked."""
    from_wikipedia = note.source == "wikipedia"
    embed = discord.Embed(
        title=f"📖 {for_title(note.title, 200)}",
        url=note.url if from_wikipedia else None,
        description=for_embed(note.extract, _EXTRACT_LIMIT),
        colour=LOOKED_UP if from_wikipedia else WARNING,
    )
    if from_wikipedia:
        if note.thumbnail_url:
            embed.set_thumbnail(url=note.thumbnail_url)
        name = LANGUAGES[note.language].own_name if note.language in LANGUAGES else note.language
        if note.revision is not None:
            footer = words.say(
                "Wikipedia ({language}), revision {revision}, CC BY-SA 4.0",
                language=name,
                revision=note.revision,
            )
        else:
            footer = words.say("Wikipedia ({language}), CC BY-SA 4.0", language=name)
    else:
        footer = words.say("This is one of FanFabler's bundled notes, CC BY-SA 4.0")
    return embed.set_footer(text=footer)

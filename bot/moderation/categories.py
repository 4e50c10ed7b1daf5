"""What a moderation service may find in a text, in one vocabulary for all services, and what a story of each rating
bears. A story tells of what it does not approve of, so what services call violence or harassment is not blocked as
such, and that a text is about somebody's work (Llama Guard's S8) is what fan fiction is."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

from bot.database.tables import Rating


class Category(enum.StrEnum):
    """A kind of content. The value is what is kept in `ModerationEvent.categories`."""

    SEXUAL_MINORS = "sexual/minors"
    SEXUAL = "sexual"
    SEX_CRIMES = "sex-crimes"
    HATE = "hate"
    HARASSMENT = "harassment"
    SELF_HARM = "self-harm"
    SELF_HARM_INSTRUCTIONS = "self-harm/instructions"
    VIOLENCE = "violence"
    GRAPHIC_VIOLENCE = "violence/graphic"
    CRIME = "crime"
    WEAPONS = "weapons"
    PRIVACY = "privacy"
    DEFAMATION = "defamation"
    ADVICE = "advice"
    PROPERTY = "intellectual-property"
    ELECTIONS = "elections"
    CODE = "code"
    OTHER = "other"  # flagged for a reason that we know no name for


# OpenAI's documentation, «Moderation», «Content classifications».
OPENAI: Mapping[str, Category] = {
    "sexual": Category.SEXUAL,
    "sexual/minors": Category.SEXUAL_MINORS,
    "hate": Category.HATE,
    "hate/threatening": Category.HATE,
    "harassment": Category.HARASSMENT,
    "harassment/threatening": Category.HARASSMENT,
    "self-harm": Category.SELF_HARM,
    "self-harm/intent": Category.SELF_HARM,
    "self-harm/instructions": Category.SELF_HARM_INSTRUCTIONS,
    "violence": Category.VIOLENCE,
    "violence/graphic": Category.GRAPHIC_VIOLENCE,
    "illicit": Category.CRIME,
    "illicit/violent": Category.CRIME,
}
# The MLCommons hazards, as Llama Guard 3 and 4 number them (their model cards).
LLAMA_GUARD: Mapping[str, Category] = {
    "S1": Category.CRIME,
    "S2": Category.CRIME,
    "S3": Category.SEX_CRIMES,
    "S4": Category.SEXUAL_MINORS,
    "S5": Category.DEFAMATION,
    "S6": Category.ADVICE,
    "S7": Category.PRIVACY,
    "S8": Category.PROPERTY,
    "S9": Category.WEAPONS,
    "S10": Category.HATE,
    "S11": Category.SELF_HARM,
    "S12": Category.SEXUAL,
    "S13": Category.ELECTIONS,
    "S14": Category.CODE,
}

_NEVER = frozenset(
    {
        Category.SEXUAL_MINORS,
        Category.SEX_CRIMES,
        Category.HATE,
        Category.SELF_HARM_INSTRUCTIONS,
        Category.CRIME,
        Category.WEAPONS,
        Category.PRIVACY,
        Category.OTHER,
    }
)
_NOT_IN_TEEN = _NEVER | {Category.SEXUAL, Category.GRAPHIC_VIOLENCE, Category.SELF_HARM}
BLOCKED: Mapping[Rating, frozenset[Category]] = {
    Rating.GENERAL: _NOT_IN_TEEN | {Category.HARASSMENT},
    Rating.TEEN: _NOT_IN_TEEN,
    Rating.MATURE: _NEVER,
}
"""What is blocked in a story of a rating."""

REPORTED = frozenset({Category.SEXUAL_MINORS})
"""What the server's moderators are told of, whatever the rating."""


def blocked(found: Iterable[Category], rating: Rating) -> frozenset[Category]:
    """What of that which was found a story of this rating does not bear."""
    return frozenset(found) & BLOCKED[rating]

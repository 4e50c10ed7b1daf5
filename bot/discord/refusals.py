"""What a server's rules refuse, in words: what is used up and until when, where else a story may begin, what a mature
story lacks."""

from __future__ import annotations

from discord.utils import format_dt

from bot.errors import QuotaReached
from bot.guilds.rules import ChannelClosed, Lacking, MatureRefused
from bot.moderation.categories import Category
from bot.moderation.guard import TextBlocked
from bot.moderation.service import ModerationAway
from bot.words import Words

REFUSALS = (QuotaReached, ChannelClosed, MatureRefused, TextBlocked, ModerationAway)
_MOST_CHANNELS = 5


def explain_refusal(words: Words, error: BaseException) -> str | None:
    """The sentence for a member, or None for an error of another kind."""
    if isinstance(error, QuotaReached):
        return _quota(words, error)
    if isinstance(error, ChannelClosed):
        return _channel(words, error)
    if isinstance(error, MatureRefused):
        return _mature(words, error)
    if isinstance(error, TextBlocked):
        return _blocked(words, error)
    if isinstance(error, ModerationAway):
        return words.say(
            "I cannot check texts just now, so I cannot take this one. Please try again in a while."
        )
    return None


def _quota(words: Words, error: QuotaReached) -> str:
    if error.free_at is None:
        if error.everybody:
            return words.say(
                "The admins of this server have switched my answers off for now. "
                "They can give some with **/admin quota set**."
            )
        return words.say(
            "The admins of this server have not given you any answers. Ask them; **/admin quota set** gives some."
        )
    # Discord writes the time in the reader's own words: «in 3 hours».
    when = format_dt(error.free_at, "R")
    if error.everybody:
        return words.plural(
            "This server has used up its one answer of the last 24 hours. The next one is free {when}.",
            "This server has used up its {n} answers of the last 24 hours. The next one is free {when}.",
            error.limit,
            when=when,
        )
    return words.plural(
        "You have used up your one answer of the last 24 hours. The next one is free {when}.",
        "You have used up your {n} answers of the last 24 hours. The next one is free {when}.",
        error.limit,
        when=when,
    )


def _channel(words: Words, error: ChannelClosed) -> str:
    if not error.instead:
        return words.say(
            "The admins of this server do not want stories begun in this channel. Try it in another one."
        )
    channels = ", ".join(f"<#{channel}>" for channel in error.instead[:_MOST_CHANNELS])
    return words.say(
        "The admins of this server do not want stories begun in this channel. Try it here: {channels}",
        channels=channels,
    )


def _mature(words: Words, error: MatureRefused) -> str:
    reasons = {
        Lacking.MODERATION: words.say("whoever runs me has set up no moderation service"),
        Lacking.SETTING: words.say(
            "the admins of this server have not allowed it (**/admin settings mature**)"
        ),
        Lacking.CHANNEL: words.say("this channel is not age-restricted"),
    }
    lines = "\n".join(f"- {reason}" for need, reason in reasons.items() if need in error.lacking)
    return "\n".join(
        (
            words.say("A story cannot be rated mature here:"),
            lines,
            words.say("Choose the rating «teen», and we can go on."),
        )
    )


def _blocked(words: Words, error: TextBlocked) -> str:
    if error.reported:
        return words.say(
            "I do not take that. Nothing sexual about minors, ever. The moderators of this server are told; the text "
            "itself is not kept."
        )
    names = ", ".join(sorted(category_name(words, category) for category in error.categories))
    return words.say(
        "I did not take that: the content check found what does not fit this story's rating ({reasons}). The text "
        "is not kept. Put it another way, and I shall gladly go on.",
        reasons=names,
    )


def category_name(words: Words, category: Category) -> str:
    """What was found, in the member's language."""
    names = {
        Category.SEXUAL: words.say("sexual content"),
        Category.SEX_CRIMES: words.say("sexual violence"),
        Category.HATE: words.say("hate"),
        Category.HARASSMENT: words.say("insults or threats"),
        Category.SELF_HARM: words.say("self-harm"),
        Category.SELF_HARM_INSTRUCTIONS: words.say("self-harm"),
        Category.GRAPHIC_VIOLENCE: words.say("graphic violence"),
        Category.CRIME: words.say("help with a crime"),
        Category.WEAPONS: words.say("weapons that kill many"),
        Category.PRIVACY: words.say("somebody's private data"),
    }
    return names.get(category) or words.say("unsuitable content")

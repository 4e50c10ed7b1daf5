"""What admins and operators did, as phrases for the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from discord.utils import escape_markdown

from bot.database.tables import PauseMode
from bot.discord.admin.operated import OPERATED
from bot.privacy.subject import NOBODY as ERASED
from bot.words import Words


def describe(words: Words, action: str, details: Mapping[str, Any]) -> str:
    """What was done, as a phrase. What has none here is told by its own name, with its details."""
    phrase = _PHRASES.get(action)
    if phrase is not None:
        return phrase(words, details)
    told = " · ".join(f"{key}: {value}" for key, value in details.items() if value is not None)
    return escape_markdown(f"/admin {action}" + (f" ({told})" if told else ""))


def _channels(words: Words, details: Mapping[str, Any]) -> str:  # noqa: PLR0911 -- one return a phrase
    rule = details.get("rule")
    if "channels" in details:
        listed = ", ".join(f"<#{each}>" for each in details["channels"])
        if rule == "allow" and not listed:
            return words.say("lets stories begin everywhere")
        if rule == "allow":
            return words.say("lets stories begin in {channels} only", channels=listed)
        if not listed:
            return words.say("excludes no channel from new stories any more")
        return words.say("lets stories never begin in {channels}", channels=listed)
    channel = f"<#{details.get('channel')}>"
    if rule == "allow":
        return words.say("allowed new stories in {channel}", channel=channel)
    if rule == "exclude":
        return words.say("excluded {channel} from new stories", channel=channel)
    return words.say("neither allows nor excludes {channel} any more", channel=channel)


def _mature(words: Words, details: Mapping[str, Any]) -> str:
    if details.get("allowed"):
        return words.say("allowed mature stories in age-restricted channels")
    return words.say("no longer allows mature stories")


def _moderators(words: Words, details: Mapping[str, Any]) -> str:
    if details.get("channel") is None:
        return words.say("no longer has moderators told in a channel")
    return words.say("has moderators told in {channel}", channel=f"<#{details['channel']}>")


def _subject(words: Words, details: Mapping[str, Any]) -> str:
    if details.get("member") == ERASED:
        return words.say("somebody")
    if "member" in details:
        return f"<@{details['member']}>"
    if "role" in details:
        return f"<@&{details['role']}>"
    return (
        words.say("all members together") if details.get("subject") == "guild" else words.say("each member")
    )


def _quota_set(words: Words, details: Mapping[str, Any]) -> str:
    day, at_once = details.get("answers_per_day"), details.get("concurrency")
    parts = []
    if day is not None:
        parts.append(words.plural("{n} answer in 24 hours", "{n} answers in 24 hours", int(day)))
    if at_once is not None:
        parts.append(words.plural("{n} answer at once", "{n} answers at once", int(at_once)))
    quota = ", ".join(parts) or words.say("no limit")
    return words.say("gave {who} a quota: {quota}", who=_subject(words, details), quota=quota)


def _quota_removed(words: Words, details: Mapping[str, Any]) -> str:
    return words.say("lifted the quota of {who}", who=_subject(words, details))


def _cancelled(words: Words, details: Mapping[str, Any]) -> str:
    return words.say("stopped the request of {who}", who=_subject(words, details))


def _held(words: Words, details: Mapping[str, Any]) -> str:
    everywhere = bool(details.get("everywhere"))
    if details.get("mode") == PauseMode.DRAIN:
        if everywhere:
            return words.say("let all queues run empty")
        return words.say("let the queue of this server run empty")
    return words.say("paused all servers") if everywhere else words.say("paused this server")


def _resumed(words: Words, details: Mapping[str, Any]) -> str:
    return (
        words.say("let all servers go on")
        if details.get("everywhere")
        else words.say("let this server go on")
    )


_PHRASES: dict[str, Callable[[Words, Mapping[str, Any]], str]] = {
    "settings channels": _channels,
    "settings mature": _mature,
    "settings moderators": _moderators,
    "quota set": _quota_set,
    "quota remove": _quota_removed,
    "queue cancel": _cancelled,
    "queue hold": _held,
    "queue resume": _resumed,
    **OPERATED,
}

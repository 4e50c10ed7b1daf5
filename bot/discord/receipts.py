"""The receipt for a deletion, in words."""

from __future__ import annotations

from collections.abc import Callable

from bot.privacy.service import Receipt
from bot.words import Words


def receipt_text(words: Words, receipt: Receipt, *, take_down: bool) -> str:
    """What was deleted, how much of each, and what that cannot reach."""
    lines = [
        f"- {_line(words, kind, number)}"
        for kind, number in receipt.counts.items()
        if kind not in ("profile", "titles") and number
    ]
    if not receipt.counts:
        return words.say("I had nothing of you. Should a backup bring something back, it is deleted again.")
    settings = words.say("your settings here")
    text = words.say("Deleted:") + "\n" + "\n".join([*lines, f"- {settings}"])
    if take_down:
        text += "\n" + words.say("I am taking down my posts now, which may take a few minutes.")
    text += "\n" + words.say(
        "A model that was trained before keeps what it learned; the next one learns nothing of this. Should a backup "
        "be restored, the deletion is carried out again. Receipt: {number}",
        number=f"`{receipt.id}`",
    )
    return text


def _line(words: Words, kind: str, number: int) -> str:
    phrases: dict[str, Callable[[], str]] = {
        "stories": lambda: words.plural("{n} whole story", "{n} whole stories", number),
        "messages": lambda: words.plural("{n} message of yours", "{n} messages of yours", number),
        "answers": lambda: words.plural("{n} answer of mine", "{n} answers of mine", number),
        "requests": lambda: words.plural("{n} request", "{n} requests", number),
        "feedback": lambda: words.plural("{n} verdict 👍 👎", "{n} verdicts 👍 👎", number),
        "pins": lambda: words.plural("{n} pin", "{n} pins", number),
        "summaries": lambda: words.plural("{n} summary", "{n} summaries", number),
        "looked-up pages": lambda: words.plural("{n} looked-up page", "{n} looked-up pages", number),
        "cached pages": lambda: words.plural("{n} remembered search", "{n} remembered searches", number),
        "export details": lambda: words.plural(
            "the details of {n} export", "the details of {n} exports", number
        ),
        "quotas": lambda: words.plural("{n} quota", "{n} quotas", number),
        "moderation events": lambda: words.plural(
            "{n} note that something was blocked", "{n} notes that something was blocked", number
        ),
        "audit entries": lambda: words.plural(
            "your name in {n} entry of a server's log", "your name in {n} entries of servers' logs", number
        ),
        "operator's entries": lambda: words.plural(
            "your name at {n} training run or choice of a model",
            "your name at {n} training runs and choices of models",
            number,
        ),
        "comparisons": lambda: words.plural(
            "{n} comparison of two models", "{n} comparisons of two models", number
        ),
        "training rows": lambda: words.plural(
            "{n} training example made of your stories",
            "{n} training examples made of your stories",
            number,
        ),
    }
    phrase = phrases.get(kind)
    return phrase() if phrase else f"{words.number(number)} × {kind}"

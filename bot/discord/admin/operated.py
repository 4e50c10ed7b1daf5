"""What operators did with the model and its data, as phrases of the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from discord.utils import escape_markdown

from bot.words import Words


def _name(details: Mapping[str, Any], key: str = "name") -> str:
    return f"**{escape_markdown(str(details.get(key) or '–'))}**"


def _started(words: Words, details: Mapping[str, Any]) -> str:
    recipe = escape_markdown(str(details.get("recipe")))
    return words.say("began the training run {name} (recipe {recipe})", name=_name(details), recipe=recipe)


def _stopped(words: Words, details: Mapping[str, Any]) -> str:
    return words.say("stopped the training run {name}", name=_name(details))


def _activated(words: Words, details: Mapping[str, Any]) -> str:
    model = _name(details, "model")
    if details.get("everywhere"):
        said = words.say("has {model} answer everywhere", model=model)
    else:
        said = words.say("has {model} answer in this server", model=model)
    return f"{said} ⚠️" if details.get("forced") else said


def _rolled_back(words: Words, details: Mapping[str, Any]) -> str:
    before = _name(details, "from")
    if details.get("model") is None:
        return words.say("went back from the model {before}", before=before)
    return words.say("went back from {before} to {model}", before=before, model=_name(details, "model"))


def _compared(words: Words, details: Mapping[str, Any]) -> str:
    return words.say("compared {models}", models=words.listed(f"**{m}**" for m in details.get("models", ())))


def _chose(words: Words, details: Mapping[str, Any]) -> str:
    if details.get("better") is None:
        return words.say("found neither of two models better")
    return words.say("found {model} better than another", model=_name(details, "better"))


def _gave(words: Words, details: Mapping[str, Any]) -> str:
    rows = int(details.get("rows") or 0)
    return words.plural(
        "gave {n} row of rated chats to the trainer", "gave {n} rows of rated chats to the trainer", rows
    )


OPERATED: Mapping[str, Callable[[Words, Mapping[str, Any]], str]] = {
    "train start": _started,
    "train cancel": _stopped,
    "model activate": _activated,
    "model rollback": _rolled_back,
    "model compare": _compared,
    "model compare chosen": _chose,
    "dataset add-feedback": _gave,
}

"""What stands against a wish just now, in words: the story has gone on, is closed, is being written, is not there."""

from __future__ import annotations

from collections.abc import Callable

from bot.canon import NothingFound
from bot.conversations.bible import (
    MAX_PIN_LENGTH,
    MAX_PINS,
    AlreadyPinned,
    BibleFull,
    NothingToPin,
    PinTooLong,
    TooManyPins,
)
from bot.conversations.errors import (
    AlreadyAStory,
    AlreadyHere,
    NoStoryHere,
    NotAnAnswer,
    NothingToAnswer,
    NothingToTakeBack,
    NotTheLastAnswer,
    StillWriting,
    StoryClosed,
    UnknownLanguage,
)
from bot.conversations.lookups import AlreadyInContext
from bot.discord.errors import NoThreadsHere, ThreadLocked
from bot.export.errors import NothingToExport
from bot.words import Words

_TEXTS: dict[type[Exception], Callable[[Words], str]] = {
    AlreadyAStory: lambda words: words.say(
        "There is a story here already. Just write in its thread; I read along."
    ),
    NotTheLastAnswer: lambda words: words.say(
        "The story has gone on since. This works on the last answer only; «Branch» goes on from an older one."
    ),
    StillWriting: lambda words: words.say("I am still writing. Stop me first, or wait a moment."),
    NoStoryHere: lambda words: words.say("There is no story in this channel. Use this in a story's thread."),
    UnknownLanguage: lambda words: words.say("I do not know that language. Choose one from the list."),
    StoryClosed: lambda words: words.say(
        "This story is closed. «Open again» under the note that says so goes on with it."
    ),
    NothingToAnswer: lambda words: words.say("There is nothing to go on with yet. Write something first."),
    NothingToTakeBack: lambda words: words.say("There is nothing left to take back. Just write on."),
    NotAnAnswer: lambda words: words.say(
        "I cannot find that answer, or it has no text. Choose one that I suggest while you type."
    ),
    AlreadyHere: lambda words: words.say("The story goes on from this answer already. Just write."),
    NothingFound: lambda words: words.say(
        "I found nothing about that. Try another spelling, or choose one of the works that I suggest."
    ),
    AlreadyInContext: lambda words: words.say("That is in this story already; I keep to it."),
    AlreadyPinned: lambda words: words.say(
        "That is pinned to this story already. **/story pins** lists all pins."
    ),
    NothingToPin: lambda words: words.say(
        "There is no text in that which I could pin. Choose a message with text, or write it in **/story pin**."
    ),
    PinTooLong: lambda words: words.plural(
        "A pin can have {n} character at most. Please shorten it.",
        "A pin can have {n} characters at most. Please shorten it.",
        MAX_PIN_LENGTH,
    ),
    TooManyPins: lambda words: words.plural(
        "A story can have {n} pin at most. Remove one with **/story pins** first.",
        "A story can have {n} pins at most. Remove some with **/story pins** first.",
        MAX_PINS,
    ),
    BibleFull: lambda words: words.say(
        "The story bible is full: what is pinned takes as much of my memory as I can spare. Remove something with "
        "**/story pins**, or put it more briefly."
    ),
    NothingToExport: lambda words: words.say("There is nothing to export yet. Write something first."),
    NoThreadsHere: lambda words: words.say(
        "I cannot open such a thread here. Please use a text channel, or a thread that is there already."
    ),
    ThreadLocked: lambda words: words.say(
        "This thread is locked, so I cannot write in it. A moderator can unlock it."
    ),
}
IMPEDIMENTS = tuple(_TEXTS)


def explain_impediment(words: Words, error: BaseException) -> str | None:
    """The sentence for a member, or None for an error of another kind."""
    return next((text(words) for kind, text in _TEXTS.items() if type(error) is kind), None)

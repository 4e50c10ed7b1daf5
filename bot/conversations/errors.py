"""What members cannot do with a conversation just now. Their words are in `bot.discord.replies`."""

from __future__ import annotations

from bot.errors import BotError


class NotTheLastAnswer(BotError):
    """The conversation has gone on since this answer."""


class AlreadyAStory(BotError):
    """A story hangs on this message, or is written in this thread, already."""


class StillWriting(BotError):
    """An answer is being written in this conversation."""


class UnknownLanguage(BotError):
    """None of the forty languages is called so."""


class NoStoryHere(BotError):
    """No story is written in this channel or thread."""


class StoryClosed(BotError):
    """The story was closed; nothing is answered in it."""


class NothingToAnswer(BotError):
    """There is no answer yet in this conversation, nor anything to answer."""


class NothingToTakeBack(BotError):
    """There is no exchange in this conversation that could be taken back."""


class NotAnAnswer(BotError):
    """There is no text here that a story could go on from."""


class AlreadyHere(BotError):
    """The story goes on from this answer already."""

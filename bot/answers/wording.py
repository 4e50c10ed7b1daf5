"""What the bot says in an answer's place: its text, or why there is none, or where it stands in the queue."""

from __future__ import annotations

from collections.abc import Callable

from bot.answers.store import Work
from bot.database.tables import Message, MessageStatus
from bot.errors import WorkerBusy, WorkerRefused, WorkerUnreachable
from bot.moderation.service import ModerationAway
from bot.operation.absence import Absence
from bot.queue.repository import Place
from bot.words import Words, words_for
from model.errors import PromptTooLong
from model.lookup_tag import parse_reply

STOPPED = "stopped"
"""finish_reason of an answer that a member stopped."""


def final_text(work: Work) -> str:
    """An answer's text, or what stands for it where there is none."""
    words = words_for(work.job.locale)
    if work.answer.status == MessageStatus.BLOCKED:
        return words.say(
            "🚫 What I was writing here did not pass the content check, so I took it back. "
            "«Again» gives it another try."
        )
    if written := visible(work):
        return f"{written}\n\n{_language_hint(words)}" if in_wrong_language(work.answer) else written
    if work.answer.status == MessageStatus.STOPPED or work.answer.finish_reason == STOPPED:
        return words.say("⏹️ Stopped before I had written anything.")
    return words.say("I have nothing to say to that. Ask me again, or put it another way.")


def visible(work: Work) -> str:
    """An answer's text without the tag, which is still in that of one that was not finished."""
    return parse_reply(work.answer.content, work.conversation.language).text


def in_wrong_language(answer: Message) -> bool:
    """Whether an answer is known to be in another language than it was to be."""
    return answer.written_language is not None and answer.written_language != answer.expected_language


def _language_hint(words: Words) -> str:
    """A line under an answer in the wrong language."""
    return "🌐 " + words.say("I slipped into another language here. «Again» gives it another try.")


def explain(words: Words, error: Exception | None) -> str:
    """Why there is no answer, in words for who waits for it."""
    texts: dict[type[Exception], Callable[[], str]] = {
        WorkerUnreachable: lambda: words.say("The writing machine is away. Please try again in a while."),
        WorkerBusy: lambda: words.say("The writing machine is very busy. Please try again in a while."),
        WorkerRefused: lambda: words.say(
            "The writing machine could not take this request. Try it again, or put it another way."
        ),
        ModerationAway: lambda: words.say(
            "I cannot check what I write just now, and without that I may not go on. Please try again in a while."
        ),
        PromptTooLong: lambda: words.say(
            "Your message is too long for me. Take it back with **/story undo**, and send it in smaller pieces."
        ),
    }
    for kind, text in texts.items():
        if isinstance(error, kind):
            return text()
    return words.say("Something went wrong while I was writing. Nothing of yours is lost; please try again.")


def describe_sleep(words: Words, training: Absence | None) -> str:
    """Why nothing is written just now, to who waits while the worker sleeps."""
    kept = words.say("Your request is kept and is written when it is my turn again.")
    if training is None:
        return "🌙 " + words.say("The writing machine sleeps just now.") + " " + kept
    if training.seconds is None:
        return "🌙 " + words.say("A training run has the writing machine just now.") + " " + kept
    left = words.say(
        "A training run has the writing machine for about {span} more.", span=words.span(training.seconds)
    )
    return f"🌙 {left} {kept}"


def describe_place(words: Words, place: Place) -> str:
    """A place in the queue as a sentence."""
    if place.held:
        return words.say(
            "⏸️ I am paused for now. Your request is kept, and I shall write it as soon as I may go on."
        )
    where = words.say("⏳ You are number {place} in the queue.", place=words.number(place.position))
    if place.seconds is None:
        return where
    return where + " " + words.say("It should take about {span}.", span=words.span(place.seconds))

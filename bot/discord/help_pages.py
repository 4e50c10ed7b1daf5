"""What `/help` says: a page a topic, in the reader's language, with examples about works that are loved there."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import discord

from bot.discord.colours import INFORMATION
from bot.discord.command_mentions import CommandMentions
from bot.words import Words
from model.catalogue import load_properties


class Topic(enum.StrEnum):
    """What a page is about; the value is in custom ids, so it must not change."""

    START = "start"
    STEER = "steer"
    CANON = "canon"
    MEMORY = "memory"
    LANGUAGES = "languages"
    EXPORT = "export"
    PRIVACY = "privacy"
    ADMINS = "admins"
    OPERATORS = "operators"


EMOJI = {
    Topic.START: "📖",
    Topic.STEER: "✍️",
    Topic.CANON: "🔎",
    Topic.MEMORY: "📌",
    Topic.LANGUAGES: "🌍",
    Topic.EXPORT: "📤",
    Topic.PRIVACY: "🔒",
    Topic.ADMINS: "🛠️",
    Topic.OPERATORS: "🧠",
}


def topics(*, admin: bool, operator: bool) -> list[Topic]:
    """The pages there are for somebody, in their order."""
    hidden = {Topic.ADMINS: not admin, Topic.OPERATORS: not operator}
    return [topic for topic in Topic if not hidden.get(topic)]


def title(words: Words, topic: Topic) -> str:
    """What a page is called."""
    return {
        Topic.START: words.say("Begin a story"),
        Topic.STEER: words.say("Go on, again, branch, stop"),
        Topic.CANON: words.say("Canon and look-ups"),
        Topic.MEMORY: words.say("The story bible and memory"),
        Topic.LANGUAGES: words.say("Languages"),
        Topic.EXPORT: words.say("Take a story with you"),
        Topic.PRIVACY: words.say("Privacy and limits"),
        Topic.ADMINS: words.say("For those who manage this server"),
        Topic.OPERATORS: words.say("For those who run me"),
    }[topic]


@dataclass(frozen=True)
class Reader:
    """Who reads, and where: their words, the commands that they have there, and how to mention the bot."""

    words: Words
    mentions: CommandMentions
    guild_id: int | None
    me: str

    def command(self, path: str) -> str:
        """A command, to be clicked on."""
        return self.mentions.told(self.words, path, self.guild_id)

    def work(self, number: int) -> str:
        """A work that is written about in the reader's language."""
        works = load_properties(self.words.language.code)
        return works[number % len(works)].local_name


def help_page(reader: Reader, topic: Topic) -> discord.Embed:
    """A page."""
    description, fields, examples = _PAGES[topic](reader)
    embed = discord.Embed(
        title=f"{EMOJI[topic]} {title(reader.words, topic)}", description=description, colour=INFORMATION
    )
    for name, value in fields:
        embed.add_field(name=name, value=value, inline=False)
    if examples:
        listed = "\n".join(f"- {example}" for example in examples)
        embed.add_field(name=reader.words.say("For example"), value=listed, inline=False)
    return embed


def _filled(reader: Reader, command: str, *options: tuple[str, str]) -> str:
    """A command with options, as it looks when it is typed."""
    named = [(reader.words.say(name), value) for name, value in options]
    said = [reader.words.inside(f"`{name}: {value}`") for name, value in named]
    return _line(reader, command, *said)


def _line(reader: Reader, command: str, *rest: str) -> str:
    """A command and what follows it, in the direction of the reader's language."""
    return reader.words.line(" ".join((reader.words.inside(command), *rest)))


_Page = tuple[str, Sequence[tuple[str, str]], Sequence[str]]


def first_example(words: Words) -> str:
    """What a story may begin with, about a work that is loved in the language."""
    return words.say(
        "Write a scene in which two rivals from {work} are snowed in.",
        work=load_properties(words.language.code)[0].local_name,
    )


def _start(reader: Reader) -> _Page:
    words, start = reader.words, reader.command("story start")
    ways = [
        words.say("{start} with what you would like to read.", start=start),
        words.say(
            "Mention me in a channel, with your wish in the same message: {me} …",
            me=reader.me,
        ),
        words.say("**Apps › Write about this**, in the menu of somebody's message."),
    ]
    return (
        words.say(
            "Tell me what you would like to read. I open a thread for it and write in your language, and we go on "
            "from there for as long as you like."
        ),
        [
            (words.say("Three ways to begin"), "\n".join(f"- {way}" for way in ways)),
            (
                words.say("What you can choose"),
                words.say(
                    "{start} also takes a language, who may see the thread, a rating, and a text file with an outline "
                    "or a chapter.",
                    start=start,
                ),
            ),
        ],
        [
            first_example(words),
            words.say(
                "What if the end of {work} was only a dream? Begin the morning after.", work=reader.work(1)
            ),
        ],
    )


def _steer(reader: Reader) -> _Page:
    words, command = reader.words, reader.command
    buttons = [
        "⏹️ " + words.say("stops me: {command}", command=command("story stop")),
        "🔄 "
        + words.say(
            "writes the answer anew and keeps the older one, to page to with ◀️ ▶️: {command}",
            command=command("story regenerate"),
        ),
        "✍️ "
        + words.say("has the answer go on where it stopped: {command}", command=command("story continue")),
        "🌿 " + words.say("goes on from an older answer: {command}", command=command("story branch")),
        "👍 👎 " + words.say("tell me what you think of it"),
    ]
    return (
        words.say(
            "In a story's thread you just write, without a command and without mentioning me. I answer every message."
        ),
        [
            (words.say("Under an answer"), "\n".join(buttons)),
            (
                words.say("In the thread"),
                words.say(
                    "Reply to an older answer, and the story goes on from there. Change your last message, and I offer "
                    "to answer it anew; delete one, and I forget it. I read the text files that you attach."
                ),
            ),
            (
                words.say("Back, away, closed"),
                words.say(
                    "{undo} takes back the last message and its answer. {queue} shows where your requests stand. "
                    "{close} ends the story.",
                    undo=command("story undo"),
                    queue=command("queue"),
                    close=command("story close"),
                ),
            ),
        ],
        [
            words.say("Go on, but as a letter that one of them never sends."),
            words.say("Now let somebody from {work} come to the door.", work=reader.work(2)),
        ],
    )


def _canon(reader: Reader) -> _Page:
    words, canon = reader.words, reader.command("canon")
    return (
        words.say(
            "Where facts about a work would help, I look it up in the Wikipedia of your language, show you the page, "
            "and keep to it from then on."
        ),
        [
            (
                words.say("Look something up yourself"),
                words.say(
                    "{canon} finds works, characters and places, and suggests some while you type. In a story's "
                    "thread, «Use this» puts the page that is shown into the story.",
                    canon=canon,
                ),
            )
        ],
        [
            _line(reader, canon, words.inside(reader.work(3))),
            words.say(
                "Which characters of {work} are related? Write about two of them.", work=reader.work(4)
            ),
        ],
    )


def _memory(reader: Reader) -> _Page:
    words, command = reader.words, reader.command
    return (
        words.say(
            "What you pin, I keep to throughout the story: names, the rules of its world, who loves whom. Together "
            "your pins are the story bible."
        ),
        [
            (
                words.say("Pins"),
                words.say(
                    "{pin} takes a fact or a passage, and **Apps › Pin to the story** a whole message. {pins} lists "
                    "them and lets you remove some.",
                    pin=command("story pin"),
                    pins=command("story pins"),
                ),
            ),
            (
                words.say("What I have in mind"),
                words.say(
                    "When a story grows long, I sum up how it began. {context} shows all that I have in mind for the "
                    "next answer, and how much room is left.",
                    context=command("story context"),
                ),
            ),
        ],
        [
            _line(
                reader,
                command("story pin"),
                words.say("It is set in the world of {work}, fifty years later.", work=reader.work(5)),
            ),
            _line(reader, command("story pin"), words.say("The twins never lie to each other.")),
        ],
    )


def _languages(reader: Reader) -> _Page:
    words, command = reader.words, reader.command
    return (
        words.say(
            "I write in forty languages, and answer in the one that you write in. What I say besides follows the "
            "language that your Discord is set to."
        ),
        [
            (
                words.say("To be sure of one"),
                words.say(
                    "{start} takes the language of the whole story, and {language} changes it later. {languages} "
                    "lists all forty.",
                    start=command("story start"),
                    language=command("story language"),
                    languages=command("languages"),
                ),
            )
        ],
        [
            words.say(
                "Tell the first scene of {work} in simple words, for somebody who is learning the language.",
                work=reader.work(6),
            )
        ],
    )


def _export(reader: Reader) -> _Page:
    words, export = reader.words, reader.command("story export")
    return (
        words.say(
            "{export} gives you the story of its thread as a file, which only you see. I fill in title, tags and "
            "summary; change them with the buttons under it.",
            export=export,
        ),
        [
            (
                words.say("What kinds of files there are"),
                "\n".join(
                    f"- {kind}"
                    for kind in (
                        words.say("Markdown text"),
                        words.say("HTML for AO3"),
                        words.say("EPUB e-book"),
                        words.say("JSON for programs"),
                    )
                ),
            )
        ],
        [_filled(reader, export, ("format", words.say("EPUB e-book")))],
    )


def _privacy(reader: Reader) -> _Page:
    words, command = reader.words, reader.command
    own = [
        words.say("{export} gives you all that I have of you, as a file.", export=command("privacy export")),
        words.say("{delete} deletes it, and gives you a receipt.", delete=command("privacy delete")),
        words.say(
            "{consent} says whether answers that you rate may train the model. Without your yes they never do.",
            consent=command("privacy training-consent"),
        ),
    ]
    return (
        words.say(
            "I keep what is written in a story, so that it can go on for months. What is yours stays yours:"
        )
        + "\n"
        + "\n".join(f"- {line}" for line in own),
        [
            (
                words.say("What a story may contain"),
                words.say(
                    "What suits teenagers, unless {rating} says otherwise. Mature stories need the admins' leave, an "
                    "age-restricted channel and a content check.",
                    rating=command("story rating"),
                ),
            ),
            (
                words.say("How much you can ask for"),
                words.say(
                    "Admins can set how many answers there are in a day. When yours are used up, I say when the next "
                    "one is free. {queue} shows your place and how long it takes.",
                    queue=command("queue"),
                ),
            ),
        ],
        [],
    )


def _admins(reader: Reader) -> _Page:
    words, command = reader.words, reader.command
    return (
        words.say(
            "{health} shows what works here, what is missing, and what to do about it.",
            health=command("admin health"),
        ),
        [
            (
                words.say("Set me up"),
                words.say(
                    "{settings} says where stories may begin, whether they may be mature, and where your moderators "
                    "are told of what I had to block. {quota} says how many answers members, roles and the server "
                    "have.",
                    settings=command("admin settings show"),
                    quota=command("admin quota list"),
                ),
            ),
            (
                words.say("See what goes on"),
                words.say(
                    "{queue} shows what waits, and pauses me. {stats} shows what was asked for, and {audit} who set "
                    "what.",
                    queue=command("admin queue"),
                    stats=command("admin stats"),
                    audit=command("admin audit"),
                ),
            ),
            (
                words.say("Who may use these commands"),
                words.say(
                    "Those who may manage the server. Let others in under **Server Settings › Integrations**; nobody "
                    "else sees them."
                ),
            ),
        ],
        [
            _filled(
                reader,
                command("admin settings channels"),
                ("channel", "#fan-fiction"),
                ("rule", words.say("allow")),
            ),
            _filled(reader, command("admin quota set"), ("answers", words.number(20))),
        ],
    )


def _operators(reader: Reader) -> _Page:
    words, command = reader.words, reader.command
    return (
        words.say(
            "These commands are there in your own servers alone (OPERATOR_GUILD_IDS), and answer only the bot's "
            "owners. `python -m bot doctor` looks over the installation."
        ),
        [
            (
                words.say("Which model answers"),
                words.say(
                    "{list} shows all models, {compare} puts one prompt to two of them, {activate} has one answer, "
                    "and {rollback} goes back to the one before.",
                    list=command("admin model list"),
                    compare=command("admin model compare"),
                    activate=command("admin model activate"),
                    rollback=command("admin model rollback"),
                ),
            ),
            (
                words.say("What it learns from"),
                words.say(
                    "{stats} lists the datasets, {preview} shows the rated chats that may be used, and {add} gives "
                    "them to the trainer.",
                    stats=command("admin dataset stats"),
                    preview=command("admin dataset preview"),
                    add=command("admin dataset add-feedback"),
                ),
            ),
            (
                words.say("Train it"),
                words.say(
                    "{start} begins a run, {status} shows how it goes, {cancel} stops it, and {report} compares the "
                    "new adapter with the one in use, language by language.",
                    start=command("admin train start"),
                    status=command("admin train status"),
                    cancel=command("admin train cancel"),
                    report=command("admin train report"),
                ),
            ),
        ],
        [
            _line(
                reader,
                command("admin model compare"),
                words.say("An old song from {work}.", work=reader.work(0)),
            )
        ],
    )


_PAGES: dict[Topic, Callable[[Reader], _Page]] = {
    Topic.START: _start,
    Topic.STEER: _steer,
    Topic.CANON: _canon,
    Topic.MEMORY: _memory,
    Topic.LANGUAGES: _languages,
    Topic.EXPORT: _export,
    Topic.PRIVACY: _privacy,
    Topic.ADMINS: _admins,
    Topic.OPERATORS: _operators,
}

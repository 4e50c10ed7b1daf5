"""The lines that begin with a slash: what they do to a chat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from model.languages import LANGUAGES, find_language
from model.terminal.errors import ChatError

if TYPE_CHECKING:
    from model.terminal.session import Chat

_LISTED = 20


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `run` gets the chat and what stands after the command's name."""

    usage: str
    help: str
    run: Callable[[Chat, str], Awaitable[None]]


async def run_command(chat: Chat, line: str) -> None:
    """Do what a line says that begins with a slash. Raises `ModelError`."""
    name, _, argument = line.partition(" ")
    command = COMMANDS.get(name.lower())
    if command is None:
        raise ChatError(f"There is no command {name}. /help lists them; // begins a message with a slash.")
    await command.run(chat, argument.strip())


async def _help(chat: Chat, argument: str) -> None:
    chat.screen.rows((command.usage, command.help) for command in COMMANDS.values())
    chat.screen.note("Ctrl-C stops an answer, Alt-Enter begins a new line, Ctrl-D leaves.")


async def _model(chat: Chat, argument: str) -> None:
    if argument:
        chat.worker.choose(argument)
        chat.screen.note(f"{argument} writes from now on.")
        return
    await chat.worker.connect(chat.worker.model.name if chat.worker.model else None)
    chat.screen.rows(
        (
            "●" if model == chat.worker.model else " ",
            model.name,
            f"adapter of {model.base}" if model.base else "base model",
            f"{model.window} tokens",
        )
        for model in chat.worker.models
    )


async def _language(chat: Chat, argument: str) -> None:
    if not argument:
        code = chat.story.language
        chat.screen.note(
            f"The conversation is in {LANGUAGES[code].english_name}."
            if code
            else "It follows your first message."
        )
        chat.screen.note(", ".join(f"{each.code} {each.own_name}" for each in LANGUAGES.values()))
        return
    language = find_language(argument)
    if language is None:
        raise ChatError(f"'{argument}' is none of the forty languages; /language lists them.")
    chat.story.language, chat.language_fixed = language.code, True
    chat.screen.note(f"The conversation is in {language.english_name} from now on.")


async def _regenerate(chat: Chat, argument: str) -> None:
    if not chat.story.take_back_answer():
        raise ChatError("There is nothing to write anew yet.")
    await chat.answer()


async def _new(chat: Chat, argument: str) -> None:
    chat.begin(chat.archive.new())
    chat.screen.note("A new conversation.")


async def _history(chat: Chat, argument: str) -> None:
    stories = chat.archive.newest(_LISTED)
    if not argument:
        if not stories:
            chat.screen.note("No conversation has been kept yet.")
        chat.screen.rows(
            (str(number), f"{story.begun.astimezone():%Y-%m-%d %H:%M}", story.language or "", story.title)
            for number, story in enumerate(stories, 1)
        )
        return
    if not argument.isdecimal() or not 1 <= int(argument) <= len(stories):
        raise ChatError(f"There is no number {argument}; /history lists them.")
    chat.begin(stories[int(argument) - 1])
    chat.show_end()


async def _save(chat: Chat, argument: str) -> None:
    if not chat.story.entries:
        raise ChatError("There is nothing to save yet.")
    path = _write_new(argument or f"fanfabler-{chat.story.id}.md", chat.story.markdown())
    chat.screen.note(f"Saved as {path}.")


def _write_new(name: str, text: str) -> Path:
    path = Path(name).expanduser()
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ChatError(f"{path} exists already; name another: /save FILE") from None
    except OSError as error:
        raise ChatError(f"{path} cannot be written: {error.strerror}") from None
    return path


async def _quit(chat: Chat, argument: str) -> None:
    chat.over = True


COMMANDS: dict[str, Command] = {
    "/help": Command("/help", "this list", _help),
    "/model": Command(
        "/model [NAME]", "which model or adapter writes; without a name, all there are", _model
    ),
    "/language": Command(
        "/language [CODE]", "the conversation's language; without a code, all forty", _language
    ),
    "/regenerate": Command("/regenerate", "have the last answer written anew", _regenerate),
    "/new": Command("/new", "begin a new conversation", _new),
    "/history": Command(
        "/history [NUMBER]", "earlier conversations; with a number, go on with that one", _history
    ),
    "/save": Command("/save [FILE]", "write the conversation to a file, as Markdown", _save),
    "/quit": Command("/quit", "leave", _quit),
}

"""The look-up tag: its form, its place, and the language of its term."""

from __future__ import annotations

import re
from collections.abc import Iterator

from model.catalogue import find_property
from model.lookup_tag import parse_reply
from training.chats import IMPORTED, Chat
from training.checks.finding import Finding, excerpt
from training.checks.words import letters, script_share

_MARKER = re.compile(r"[>＞》〉›»≫]{3,}")


def check_tag(chat: Chat) -> list[Finding]:
    """The first answer ends with the tag that `lookup` says; other answers may end with one, in its exact form.

    Where there was a look-up there are notes, and none elsewhere; rows from elsewhere are not held to that.
    """
    found = list(_first_answer(chat))
    for index, turn in enumerate(chat.messages):
        where = f"messages.{index}"
        reply = parse_reply(turn.content, chat.language)
        if turn.role == "user":
            if _MARKER.search(turn.content):
                found.append(Finding("tag", where, "a marker in what the user says"))
            continue
        if _MARKER.search(reply.text):
            found.append(Finding("tag", where, "a marker that is not at the end"))
        if reply.lookup is None:
            if reply.text != turn.content:
                found.append(Finding("tag", where, "a tag that names nothing"))
        elif not turn.content.endswith(f"\n\n>>> {reply.lookup.term}\n>>> {chat.language}"):
            detail = f"not «>>> term», «>>> {chat.language}» after a blank line"
            found.append(Finding("tag", where, f"{detail}: {excerpt(turn.content[-60:])}"))
        elif not reply.text.strip():
            found.append(Finding("tag", where, "nothing but the tag"))
    return found


def _first_answer(chat: Chat) -> Iterator[Finding]:
    where = "messages.1"
    written = parse_reply(chat.messages[1].content, chat.language).lookup
    if chat.lookup is None:
        if written is not None:
            yield Finding("tag", where, "a tag, but the row has no look-up")
        if chat.background and chat.task != IMPORTED:
            yield Finding("tag", "background", "notes, but the row has no look-up")
        return
    if chat.lookup.language != chat.language:
        yield Finding("tag", "lookup", f"asks the Wikipedia of {chat.lookup.language!r}")
    if written is None:
        yield Finding("tag", where, "no tag, but the row has a look-up")
    elif written.term != chat.lookup.term:
        yield Finding("tag", where, f"asks for {written.term!r}, the row for {chat.lookup.term!r}")
    if not chat.background and chat.task != IMPORTED:
        yield Finding("tag", "background", "no note, though there was a look-up")


def check_term(chat: Chat) -> list[Finding]:
    """The term is in the language's own script, unless the work is called so there."""
    found = []
    for index, turn in enumerate(chat.messages):
        lookup = parse_reply(turn.content, chat.language).lookup if turn.role == "assistant" else None
        if lookup is None or letters(lookup.term) == 0 or script_share(lookup.term, chat.language) > 0:
            continue
        title = {note.title for note in chat.background}
        if lookup.term not in title and find_property(lookup.term, chat.language) is None:
            found.append(Finding("term", f"messages.{index}", f"{lookup.term!r} is in another script"))
    return found

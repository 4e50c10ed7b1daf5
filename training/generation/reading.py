"""What a reply must be before anything further is paid for on its account: form, tag and language of one message."""

from __future__ import annotations

import re

from model.conversation import break_special_tokens
from model.detection import detect_language
from model.languages import LANGUAGES
from model.lookup_tag import MAX_TERM, Lookup, Reply, parse_reply
from training.generation.errors import BadOutput

_TAG = re.compile(r"[>＞》]{3}")
LONGEST_QUESTION, LONGEST_ANSWER = 900, 6000
"""Characters."""
FEWEST_LETTERS = 24
"""In fewer, a title alone can be most of a message."""


def message_text(text: str, *, longest: int) -> str:
    """The message, trimmed. Raises `BadOutput` where it is empty, endless, or has what belongs in no message."""
    text = text.replace("\r\n", "\n").strip()
    if not any(character.isalnum() for character in text):
        raise BadOutput("it was empty", "empty")
    if len(text) > longest:
        raise BadOutput(f"it was {len(text)} characters long", "too long")
    if _TAG.search(text):
        raise BadOutput("it had a >>> that does not belong there", "stray tag")
    if break_special_tokens(text) != text:
        raise BadOutput("it had a model's special tokens in it", "special tokens")
    return text


def check_language(text: str, language: str) -> None:
    """Raises `BadOutput` where the text is in another of the forty languages; too few letters are not judged."""
    if sum(map(str.isalpha, text)) < FEWEST_LETTERS:
        return
    found = detect_language(text, language)
    if found not in (None, language):
        raise BadOutput(
            f"it was written in {LANGUAGES[found].english_name} instead of {LANGUAGES[language].english_name}",
            "wrong language",
        )


def lookup_term(term: str, language: str) -> Lookup:
    """The look-up of a term given as a field. Raises `BadOutput` for what cannot be a title."""
    title = " ".join(term.split())
    reply = parse_reply(f">>> {title}\n>>> {language}", language)
    # A line that is too long is prose to the tag's reader, which would take the code below it for the title.
    if len(title) > MAX_TERM or reply.lookup is None:
        raise BadOutput("its search term was no title that one could look up", "bad term")
    return reply.lookup


def split_tag(text: str, language: str) -> Reply:
    """A reply in plain text, with the tag that it ends with."""
    return parse_reply(text, language)

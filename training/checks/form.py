"""How a text is laid out and written down: length, Markdown, emoji, leftovers, broken characters, cut ends."""

from __future__ import annotations

import regex

from training.chats import Chat
from training.checks.finding import Finding, excerpt
from training.checks.parts import Part, answers, messages, parts
from training.checks.words import count_words

LENGTHS = {
    "user": (2, 150),
    "first answer": (25, 220),
    "answer": (40, 420),
    "background": (20, 320),
}
"""Kind of text → words at least and at most. What the shipped rows keep to is narrower."""

_HEADING = regex.compile(r"^\s{0,3}#{1,6}\s", regex.MULTILINE)
_TABLE = regex.compile(r"^\s*\|.*\|\s*$", regex.MULTILINE)
# A grapheme that shows as a picture; a woman, a joiner and a rocket are one astronaut.
_EMOJI = regex.compile(r"(?=\p{Emoji_Presentation}|\p{Extended_Pictographic}\uFE0F)\X")
_LEFTOVER = regex.compile(
    r"<\|[\w ]+\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|\{\{.*?\}\}|\{[a-z_]+\}"
    r"|\[(?:insert|your|character|name|title|placeholder)\b[^\]]*\]|```|https?://",
    regex.IGNORECASE,
)
_MOJIBAKE = regex.compile(
    r"\uFFFD|Ã[\u0080-\u00BF©¨¡³±]|â€[\u0080-\u00BF™œž“”]|Â[\u0080-\u00BF»«]|&(?:amp|quot|lt|gt|#\d+);"
)
# Joiners and direction marks belong to scripts and emoji, tags (U+E0000 …) to flags.
_CONTROLS = regex.compile(r"[\p{C}--[\n\u200C-\u200F\U000E0000-\U000E007F]]", regex.VERSION1)
_LAST_LETTER = regex.compile(r"[\p{L}\p{M},،、，:–-]\Z")


def check_length(chat: Chat) -> list[Finding]:
    """Each text has about as many words as its kind should."""
    found = []
    for part in parts(chat):
        kind = "first answer" if (part.kind, part.index) == ("assistant", 1) else part.kind
        least, most = LENGTHS["answer" if kind == "assistant" else kind]
        count = count_words(part.text, chat.language)
        if not least <= count <= most:
            found.append(Finding("length", part.where, f"{count} words, not {least} to {most}"))
    return found


def check_form(chat: Chat) -> list[Finding]:
    """Light Markdown only, one emoji in a row, no leftovers of templates, no broken characters."""
    found = []
    for part in parts(chat):
        found += [Finding("form", part.where, detail) for detail in _flaws(part)]
    emoji = [each for part in messages(chat) for each in _EMOJI.findall(part.text)]
    if len(emoji) > 1:
        found.append(Finding("form", "messages", f"several emoji: {' '.join(emoji[:5])}"))
    return found


def _flaws(part: Part) -> list[str]:
    flaws = []
    if _HEADING.search(part.text):
        flaws.append("a heading")
    if _TABLE.search(part.text):
        flaws.append("a table")
    if leftover := _LEFTOVER.search(part.text):
        flaws.append(f"a leftover: {excerpt(leftover.group())}")
    if broken := _MOJIBAKE.search(part.text):
        flaws.append(
            f"broken characters: {excerpt(part.text[max(broken.start() - 10, 0) : broken.end() + 10])}"
        )
    controls = set(_CONTROLS.findall(part.text))
    if controls:
        flaws.append(f"control characters: {', '.join(f'U+{ord(each):04X}' for each in sorted(controls))}")
    return flaws


def check_cut(chat: Chat) -> list[Finding]:
    """No answer ends in the middle of a sentence. Thai writes no full stop, so nothing is said about it."""
    if chat.language == "th":
        return []
    found = []
    for part in answers(chat):
        last_line = part.text.rsplit("\n", 1)[-1]
        if _LAST_LETTER.search(last_line) and count_words(last_line, chat.language) >= 8:
            found.append(Finding("cut", part.where, f"ends with «{excerpt(last_line[-40:])}»"))
    return found

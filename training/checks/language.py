"""Whether every text of a row is in the row's script and language."""

from __future__ import annotations

from model.detection import detect_language
from model.languages import LANGUAGES
from training.chats import Chat
from training.checks.finding import Finding, excerpt
from training.checks.parts import Part, messages, parts
from training.checks.words import letters, script_share

MIN_SCRIPT_SHARE = {"user": 0.6, "assistant": 0.8, "background": 0.75}
"""Kind of text → the least share of letters in the language's script; users drop in names and tags as they are."""
_LETTERS_TO_JUDGE, _SURE_LETTERS, _PARAGRAPH_LETTERS = 12, 120, 160

# In a few words, a detector takes these for one another; so only longer texts count as in the wrong one.
_ALIKE = (
    frozenset({"es", "ca", "pt", "it", "fr"}),
    frozenset({"fi", "et"}),
    frozenset({"ru", "uk", "bg", "sr"}),
    frozenset({"sv", "no", "da"}),
    frozenset({"cs", "sk", "pl", "hr", "sr"}),
    frozenset({"ms", "id"}),
    frozenset({"nl", "de"}),
    frozenset({"ar", "fa"}),
)


def check_script(chat: Chat) -> list[Finding]:
    """Enough letters of each text are of the language's script."""
    found = []
    for part in parts(chat):
        share = script_share(part.text, chat.language)
        if letters(part.text) >= _LETTERS_TO_JUDGE and share < MIN_SCRIPT_SHARE[part.kind]:
            script = LANGUAGES[chat.language].script
            found.append(Finding("script", part.where, f"{share:.0%} of the letters are {script}"))
    return found


def wrong_language(answer: str, language: str) -> bool:
    """Whether an answer without its tag, or a long paragraph of it, is surely in another script or language."""
    part = Part("assistant", 0, "answer", answer)
    share = script_share(answer, language)
    other_script = letters(answer) >= _LETTERS_TO_JUDGE and share < MIN_SCRIPT_SHARE["assistant"]
    return other_script or bool(_other_language(part, language)) or bool(_paragraphs(part, language))


def check_language(chat: Chat) -> list[Finding]:
    """Each text, each long paragraph of an answer, and what the user says in all, is in the row's language."""
    found = []
    for part in parts(chat):
        if detected := _other_language(part, chat.language):
            found.append(Finding("language", part.where, f"in {detected}: {excerpt(part.text)}"))
        elif part.kind == "assistant":
            found += _paragraphs(part, chat.language)
    said = " ".join(part.text for part in messages(chat) if part.kind == "user")
    if not found and (detected := _other_language(Part("user", 0, "", said), chat.language)):
        found.append(Finding("language", "messages", f"what the user says is in {detected}"))
    return found


def _paragraphs(part: Part, language: str) -> list[Finding]:
    found = []
    for paragraph in part.text.split("\n\n"):
        if letters(paragraph) >= _PARAGRAPH_LETTERS:
            detected = detect_language(paragraph, language)
            if detected not in {language, None}:
                found.append(
                    Finding("language", part.where, f"a paragraph in {detected}: {excerpt(paragraph)}")
                )
    return found


def _other_language(part: Part, language: str) -> str | None:
    """The language that the text is in instead, where that is sure."""
    if letters(part.text) < _LETTERS_TO_JUDGE:
        return None
    detected = detect_language(part.text, language)
    if detected == language:
        return None
    if detected is None:
        return "none of the forty" if part.kind != "user" else None
    return None if _alike(detected, language) and letters(part.text) < _SURE_LETTERS else detected


def _alike(one: str, other: str) -> bool:
    return any(one in group and other in group for group in _ALIKE)

"""Has the model fill in what an archive wants to know about a story. A small model writes nonsense, so nothing of its
answer is taken that cannot be told to make sense: an answer may well leave everything at its defaults."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import regex

from bot.database.tables import Rating
from bot.export.details import RATING_OF, RATINGS, listed, unique
from model.conversation import estimate_tokens
from model.detection import detect_language
from model.languages import Language

ANSWER_TOKENS = 350

_FORM = """\
Fill in this form about the story above, for a fan fiction archive. Keep the words before the colons as they are. \
Write the title, the tags and the summary in {language}. Do not write anything else.

Title: <a short title>
Fandom: <the work that the story is based on>
Rating: <{ratings}>
Relationships: <who with whom, such as A/B or A & B, separated by commas; or none>
Characters: <names, separated by commas>
Additional tags: <three to six, separated by commas>
Summary: <one to three sentences>"""

_LABELS = {
    "title": "title",
    "work title": "title",
    "fandom": "fandoms",
    "fandoms": "fandoms",
    "rating": "rating",
    "relationship": "relationships",
    "relationships": "relationships",
    "pairing": "relationships",
    "pairings": "relationships",
    "character": "characters",
    "characters": "characters",
    "additional tags": "tags",
    "tags": "tags",
    "summary": "summary",
}
_LABEL = "|".join(sorted(_LABELS, key=len, reverse=True))
_LINE = regex.compile(
    rf"[\s*#>\-•\d.)]{{0,8}}(?P<label>{_LABEL})[\s*]{{0,4}}[:：](?P<value>.*)", regex.IGNORECASE
)
_MARKS = "\"'«»“”„‘’「」『』*_`~ \t"
_NOTHING = {"", "none", "n/a", "na", "-", "–", "—", "...", "…", "no", "unknown", "null"}
_PLACEHOLDER = regex.compile(r"\A[<(\[{].*[>)\]}]\Z", regex.DOTALL)
_LONGEST = {"title": 120, "fandoms": 100, "relationships": 80, "characters": 50, "tags": 50}
_MOST = {"fandoms": 1, "relationships": 4, "characters": 8, "tags": 8}
# In bytes: Chinese says in ten characters what takes thirty letters.
_SHORTEST_SUMMARY = 30
_LONGEST_SUMMARY = 800


def question(story: str, language: Language, rating: Rating, room: int) -> str:
    """What the model is asked: as much of the story as `room` tokens hold, and the form after it."""
    ratings = " or ".join(_allowed(rating))
    return f"{excerpt(story, room)}\n\n---\n\n" + _FORM.format(
        language=language.english_name, ratings=ratings
    )


def excerpt(story: str, room: int) -> str:
    """A story, or its beginning and its end where it has more than `room` tokens."""
    if estimate_tokens(story) <= room:
        return story
    most = max(200, len(story) * room // estimate_tokens(story) - 10)
    return f"{story[: most // 2].rstrip()}\n\n[…]\n\n{story[-(most // 2) :].lstrip()}"


def read_answer(answer: str, story: str, language: Language, rating: Rating) -> dict[str, Any]:
    """The fields of `Details` that an answer fills in with something that makes sense."""
    found = {name: value for name, text in _fields(answer).items() if (value := _read(name, text, rating))}
    for name in ("characters", "relationships"):  # people who are not in the story are made up
        if name in found:
            found[name] = [each for each in found[name] if _stands_in(each, story)]
    if "relationships" in found:
        found["relationships"] = [
            each for each in found["relationships"] if regex.search(r"\S\s*[/&]\s*\S", each)
        ]
    summary = found.get("summary", "")
    if summary and detect_language(summary, prior=language.code) not in (None, language.code):
        del found["summary"]
    return {name: value for name, value in found.items() if value}


def _fields(answer: str) -> dict[str, str]:
    """Field → text; the first of each. Only a summary may have more than one line."""
    found: dict[str, str] = {}
    name = ""
    for line in answer.splitlines():
        if match := _LINE.fullmatch(line):
            name = _LABELS[match["label"].lower()]
            if name in found:
                name = ""  # said already: the model goes round in circles
                continue
            found[name] = match["value"].strip(_MARKS)
        elif name == "summary":
            found[name] = f"{found[name]} {line.strip(_MARKS)}".strip()
    return found


def _read(name: str, text: str, rating: Rating) -> Any:
    if text.casefold().rstrip(".") in _NOTHING or _PLACEHOLDER.match(text):
        return None
    if name == "rating":
        said = text.casefold()
        return next((each for each in _allowed(rating) if said.startswith(each.casefold().split()[0])), None)
    if name == "summary":
        return text if len(text.encode()) >= _SHORTEST_SUMMARY and len(text) <= _LONGEST_SUMMARY else None
    if name == "title":
        return text if len(text) <= _LONGEST[name] and any(map(str.isalnum, text)) else None
    return list(unique(_sensible(listed(text), name)))[: _MOST[name]]


def _sensible(tags: Iterable[str], name: str) -> Iterable[str]:
    for tag in tags:
        plain = tag.strip(_MARKS + ".#")
        if (
            plain.casefold() not in _NOTHING
            and len(plain) <= _LONGEST[name]
            and any(map(str.isalnum, plain))
            and not _PLACEHOLDER.match(plain)
        ):
            yield plain


def _allowed(rating: Rating) -> tuple[str, ...]:
    """The ratings up to that of the thread; the model does not raise it."""
    return RATINGS[1 : RATINGS.index(RATING_OF[rating]) + 1]


def _stands_in(name: str, story: str) -> bool:
    """Whether each of the people named is in the story, by a word of their name: it may be inflected there."""
    folded = story.casefold()
    for person in regex.split(r"[/&]", name.casefold()):
        words = [
            word
            for word in regex.findall(r"[\p{L}\p{M}\p{N}]+", person)
            if len(word) > 2 or not word.isascii()
        ]
        if not any(word in folded for word in words):
            return False
    return True

"""The rules for lists of works: how many, of which kinds, how many of the language's own, and how far titles spread."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from training.chats import PROPERTY_TYPES, Property
from training.checks.finding import Finding
from training.works import group_works

WORKS = 20
MIN_TYPES = 7
LOCAL_SHARE = (0.5, 0.7)
WIDE = 5
"""A title in more languages than this is reported. It is no fault: fans of every language love some works."""


def check_works(language: str, works: Sequence[Property]) -> list[Finding]:
    """What is wrong with a language's list."""
    found = []

    def say(detail: str) -> None:
        found.append(Finding("catalogue", language, detail))

    if len(works) != WORKS:
        say(f"{len(works)} works, not {WORKS}")
    unknown = sorted({work.property_type for work in works} - set(PROPERTY_TYPES))
    if unknown:
        say(f"unknown types: {', '.join(unknown)}")
    kinds = {work.property_type for work in works} & set(PROPERTY_TYPES)
    if works and len(kinds) < MIN_TYPES:
        say(f"{len(kinds)} types, fewer than {MIN_TYPES}")
    local = sum(work.is_local for work in works)
    least, most = (round(share * len(works)) for share in LOCAL_SHARE)
    if not least <= local <= most:
        say(f"{local} of {len(works)} works are local, not {least} to {most}")
    for field in ("local_name", "english_name"):
        names = Counter(getattr(work, field).casefold() for work in works)
        for name, count in names.items():
            if count > 1:
                say(f"{field} {name!r} occurs {count} times")
    for work in works:
        if any(text != text.strip() or "\n" in text for text in (work.local_name, work.english_name)):
            say(f"{work.english_name!r} has blanks around it")
    return found


def spread(catalogue: Mapping[str, Sequence[Property]]) -> dict[str, list[str]]:
    """Work → the languages that list it, for works in more than `WIDE`; the most widely spread first."""
    groups = group_works(work.english_name for works in catalogue.values() for work in works)
    names: defaultdict[str, Counter[str]] = defaultdict(Counter)
    languages: defaultdict[str, list[str]] = defaultdict(list)
    for code, works in catalogue.items():
        for group in dict.fromkeys(groups[work.english_name] for work in works):
            languages[group].append(code)
        for work in works:
            names[groups[work.english_name]][work.english_name] += 1
    wide = {group: codes for group, codes in languages.items() if len(codes) > WIDE}
    ordered = sorted(wide, key=lambda group: (-len(wide[group]), group))
    return {names[group].most_common(1)[0][0]: wide[group] for group in ordered}

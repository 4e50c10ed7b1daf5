"""Which names mean the same work.

A work is known by its English name, which differs from language to language (`Moomins`, `The Moomins`;
`Case Closed (Detective Conan)`). Here near-same names become one group, so that a work never stands on both
sides of a split. Too large a group does no harm, one too small does.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache

SAME_WORKS: tuple[frozenset[str], ...] = (
    frozenset({"Sherlock Holmes", "Sherlock", "The Adventures of Sherlock Holmes and Dr. Watson"}),
    frozenset({"Percy Jackson", "Percy Jackson & the Olympians"}),
    frozenset({"The Legend of the Condor Heroes", "The Return of the Condor Heroes"}),
    frozenset({"Game of Thrones", "House of the Dragon", "A Song of Ice and Fire"}),
    frozenset({"The Lord of the Rings", "The Hobbit", "The Silmarillion"}),
    frozenset({"Harry Potter", "Fantastic Beasts", "Fantastic Beasts and Where to Find Them", "Hogwarts Legacy"}),
    frozenset({"Naruto", "Boruto", "Naruto Shippuden"}),
    frozenset({"Avatar: The Last Airbender", "The Legend of Korra"}),
    frozenset({"Dae Jang Geum", "Jewel in the Palace"}),
    frozenset({"One Thousand and One Nights", "Arabian Nights", "The Arabian Nights"}),
)  # fmt: skip
"""Names that no rule below would bring together: parts, sequels and other titles of one work."""

_BRACKETS = re.compile(r"\s*[(\[]([^)\]]*)[)\]]\s*")
_SERIES_NUMBER = re.compile(r"\s(?:\d{1,2}|[ivx]{1,4})$")
_FILLERS = frozenset({"the", "a", "an", "of", "and", "s"})


def group_works(names: Iterable[str]) -> dict[str, str]:
    """Name → the name that stands for its group, which is the first of the group in the order of the alphabet.

    Names are one work where they are equal but for case, accents, punctuation, little words, the words' order,
    a number at the end, what follows a colon or what stands in brackets; where the brackets hold the other's
    name; and where `SAME_WORKS` says so. So `The Witcher 3: Wild Hunt` is `The Witcher`.
    """
    everything = sorted({name for name in names if name.strip()})
    parents = {name: name for name in everything}

    def find(name: str) -> str:
        while parents[name] != name:
            name = parents[name]
        return name

    by_form: defaultdict[str, list[str]] = defaultdict(list)
    for name in everything:
        for form in _forms(name):
            by_form[form].append(name)
    for name in everything:
        # A remark in brackets (`opera`, `video game`) joins nothing unless it is itself some work's name.
        for inside in _BRACKETS.findall(name):
            if (form := name_key(inside)) in by_form:
                by_form[form].append(name)
    for alike in by_form.values():
        for name in alike[1:]:
            first, second = sorted((find(alike[0]), find(name)))
            parents[second] = first
    return {name: find(name) for name in everything}


def _forms(name: str) -> Iterator[str]:
    """The keys of a name; two names with one in common are one work."""
    plain = _BRACKETS.sub(" ", name).strip() or name
    whole = name_key(plain)
    yield whole
    for title in (plain, plain.split(":", 1)[0]):
        yield name_key(_SERIES_NUMBER.sub("", _fold(title)))
    yield from (f"family {number}" for number, family in enumerate(_families()) if whole in family)


@cache
def _families() -> tuple[frozenset[str], ...]:
    return tuple(frozenset(map(name_key, family)) for family in SAME_WORKS)


def name_key(text: str) -> str:
    """The words of a name that matter, in the order of the alphabet: equal for `Lion King` and `The Lion King`."""
    words = _fold(text).split()
    return " ".join(sorted([word for word in words if word not in _FILLERS] or words))


def _fold(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    return " ".join("".join(c if c.isalnum() else " " for c in kept).split())

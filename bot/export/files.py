"""The files of an export: what each format makes, and what they are called."""

from __future__ import annotations

import enum
import unicodedata
from dataclasses import dataclass, replace

import regex

from bot.export.ao3 import as_ao3_form, as_ao3_html
from bot.export.epub import as_epub
from bot.export.manuscript import Manuscript
from bot.export.markdown import as_markdown
from bot.export.story_json import as_json
from bot.text.cleaning import clean, without_direction

NAME_BYTES = 120
"""UTF-8 bytes of a name without its ending; file systems take 255 in all."""

# What Windows and shells cannot have in a name, and what cannot be seen in one.
_UNSAFE = regex.compile(r"""[<>:"/\\|?*\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}]+""")
_JOINERS = "\u200c\u200d"  # part of how Persian, Hindi and emoji are written
_RESERVED = regex.compile(r"(?i)\A(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\.|\Z)")
_FALLBACK = "story"


class Format(enum.StrEnum):
    """What a story can be exported as; the values stand in custom ids, so they must not change."""

    MARKDOWN = "markdown"
    AO3 = "ao3"
    EPUB = "epub"
    JSON = "json"


@dataclass(frozen=True)
class File:
    """A file to be handed over."""

    name: str
    content: bytes


def render(manuscript: Manuscript, format_: Format) -> list[File]:
    """The files of a format. Takes up to seconds for a long story, so not for an event loop."""
    manuscript = _with_plain_names(manuscript)
    stem = file_stem(manuscript.details.title)
    if format_ is Format.MARKDOWN:
        return [File(f"{stem}.md", as_markdown(manuscript).encode())]
    if format_ is Format.EPUB:
        return [File(f"{stem}.epub", as_epub(manuscript))]
    if format_ is Format.JSON:
        return [File(f"{stem}.json", as_json(manuscript).encode())]
    texts = as_ao3_html(manuscript)
    names = [f"{stem}.html"] if len(texts) == 1 else [f"{stem} {n}.html" for n in range(1, len(texts) + 1)]
    files = [File(name, text.encode()) for name, text in zip(names, texts, strict=True)]
    return [*files, File(f"{stem} (AO3 form).txt", as_ao3_form(manuscript).encode())]


def _with_plain_names(manuscript: Manuscript) -> Manuscript:
    """The names and titles in it as texts are: without control characters, and none turns what follows it around."""
    return replace(
        manuscript,
        details=replace(manuscript.details, title=_plain(manuscript.details.title)),
        contributors=tuple(map(_plain, manuscript.contributors)),
        notices=tuple(map(_plain, manuscript.notices)),
        passages=tuple(
            replace(
                each,
                author=None if each.author is None else _plain(each.author),
                model=None if each.model is None else _plain(each.model),
            )
            for each in manuscript.passages
        ),
        sources=tuple(
            replace(each, title=_plain(each.title), text=clean(each.text)) for each in manuscript.sources
        ),
    )


def _plain(name: str) -> str:
    return without_direction(clean(name))


def file_stem(title: str) -> str:
    """A title, in any script, as a file name without ending that every common system takes."""
    plain = unicodedata.normalize("NFC", without_direction(clean(title)))
    name = " ".join(_UNSAFE.sub(lambda found: _kept(found[0]), plain).split())
    name = _shortened(name).strip(" .-_~")
    if not regex.search(r"[\p{L}\p{N}\p{So}]", name) or _RESERVED.match(name):
        return f"{_FALLBACK} {name}".rstrip() if regex.search(r"[\p{L}\p{N}]", name) else _FALLBACK
    return name


def _kept(unsafe: str) -> str:
    return unsafe if all(character in _JOINERS for character in unsafe) else " "


def _shortened(name: str) -> str:
    """As many graphemes as there is room for."""
    kept, used = [], 0
    for grapheme in regex.findall(r"\X", name):
        used += len(grapheme.encode())
        if used > NAME_BYTES:
            break
        kept.append(grapheme)
    return "".join(kept)

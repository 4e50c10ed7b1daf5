"""Text files that members attach: which are any, how their bytes become text, and how they stand in a turn."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from bot.text.cleaning import clean, without_direction
from bot.text.length import shorten

# Formats that are text to their readers; a document in a text's clothes (RTF, PDF, DOCX) is none.
_EXTENSIONS = frozenset({
    "txt", "text", "md", "markdown", "rst", "adoc", "org", "tex", "fountain", "srt", "vtt", "lrc", "csv", "tsv",
    "json", "jsonl", "yaml", "yml", "toml", "ini", "xml", "html", "htm", "xhtml", "log",
})  # fmt: skip
_TYPES = frozenset({
    "application/json", "application/xml", "application/yaml", "application/x-yaml", "application/xhtml+xml",
    "application/toml", "application/x-tex",
})  # fmt: skip
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHARSET = re.compile(r"charset\s*=\s*\"?([\w.:-]+)", re.IGNORECASE)
# Encodings of Python's that are ways to write something else, some of them slow.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
# Beyond this share of control characters it is no text, whatever it decodes to.
_MOST_CONTROL = 0.002
_NAME_LIMIT = 100

FILE_END = "[End of file]"
_MARK = re.compile(r"\[(?=(?:File:|End of file\]))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TextFile:
    """An attached file that was read."""

    name: str
    text: str


def may_be_text(name: str, content_type: str | None) -> bool:
    """Whether a file is worth reading, by what it is called and said to be."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    extension = PurePath(name).suffix.removeprefix(".").lower()
    return kind.startswith("text/") or kind in _TYPES or extension in _EXTENSIONS


def decode(data: bytes, content_type: str | None = None) -> str | None:
    """The text of a file, or None where it is none: by its byte order mark, as UTF-8, in the character set that came
    with it, else as Windows' Latin one, which takes nearly anything."""
    for mark, codec in _BOMS:
        if data.startswith(mark):
            return _text(data, codec)
    declared = _CHARSET.search(content_type or "")
    for codec in ("utf-8", declared[1] if declared else "utf-8", "cp1252", "latin-1"):
        text = _text(data, codec)
        if text is not None:
            return text
    return None


def _text(data: bytes, codec: str) -> str | None:
    try:
        if codecs.lookup(codec).name in _NO_CHARSETS:
            return None
        text = str(data, codec)
    except (UnicodeError, LookupError, ValueError):
        return None
    if len(_CONTROL.findall(text)) > _MOST_CONTROL * len(text):
        return None
    return clean(text)


def turn_with(text: str, files: Sequence[TextFile]) -> str:
    """A member's words with the files they attached, each in a marked block that nothing in it can end."""
    blocks = [
        f"[File: {_plain(file.name)}]\n{_MARK.sub('(', file.text).strip()}\n{FILE_END}" for file in files
    ]
    return "\n\n".join(part for part in (text.strip(), *blocks) if part)


def _plain(name: str) -> str:
    plain = without_direction(clean(name)).translate({ord("["): "(", ord("]"): ")"})
    return shorten(" ".join(plain.split()), _NAME_LIMIT)

"""Masked links in text that is not ours. A link stays masked only where it leads to the web and does not pretend to
lead elsewhere; any other is broken by a space, so that its label and its target are read as they stand."""

from __future__ import annotations

import unicodedata

import regex

_PLAIN = r"[^\s()<>\[\]\"`\\\p{Cf}\p{Cc}]"
_HOST = r"[^\s()<>\[\]\"`\\\p{Cf}\p{Cc}@/?#]"
_TARGET = rf"\(<?https?://{_HOST}{{1,253}}(?:[/?#]{_PLAIN}{{0,500}}(?:\({_PLAIN}{{0,200}}\){_PLAIN}{{0,200}})?)?>?\)"
_LABEL = r"(?:[^\[\]\n]|\[[^\[\]\n]{0,100}\](?!\()){0,300}"
_LINK = regex.compile(rf"\[(?P<label>{_LABEL})\]{_TARGET}|\]\(")
_JOINT = regex.compile(rf"\]{_TARGET}")
_LONGEST_TARGET = 1200
_LOOKS_LIKE_ADDRESS = regex.compile(
    r"://|\bwww\.|[\w-]\.(?:com|org|net|io|gg|co|me|tv|ru|cn|de|fr|uk|jp|info|app|dev|link|xyz|ly|gl|to|wiki)\b"
    r"|\A\W*[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}(?:/\S*)?\W*\Z",
    regex.IGNORECASE,
)
_FORMAT = regex.compile(r"\p{Cf}+")


def without_false_links(text: str, *, growing: bool = False) -> str:
    """The text with a space between label and target of each masked link that has no http(s) target, a user name in
    its address, a title, or a label that is empty or looks like an address itself. Idempotent, one character longer
    for each.

    `growing` keeps back an unfinished target at the end.
    """
    if growing:
        joint = text.rfind("]", max(0, len(text) - _LONGEST_TARGET))
        match = _JOINT.fullmatch(text, joint, partial=True) if joint >= 0 else None
        text = text[:joint] if match is not None and match.partial else text
    return _LINK.sub(_keep_or_break, text)


def _keep_or_break(match: regex.Match[str]) -> str:
    label = match["label"]
    if label is None:
        return "] ("
    if label.strip() and not _LOOKS_LIKE_ADDRESS.search(
        _FORMAT.sub("", unicodedata.normalize("NFKC", label))
    ):
        return str(match.group())
    return f"[{label}] {match.group()[len(label) + 2 :]}"

"""What text that is not ours goes through before it is shown: a model's, a member's, Wikipedia's.

Nothing in it mentions anybody, hides where a link leads, shouts, swallows what follows, or writes over its
surroundings. (`AllowedMentions.none()` on the request is what keeps mentions from pinging; here they stop looking
like some.)
"""

from __future__ import annotations

import unicodedata

import regex

from bot.text.blocks import is_invisible, level_blocks
from bot.text.cleaning import clean, without_direction, without_towers
from bot.text.length import shorten, utf16_units
from bot.text.links import without_false_links
from bot.text.mentions import without_mentions
from bot.text.splitting import split

TITLE_LIMIT = 100
EMBED_LIMIT = 4096

_FIRST_STRONG_ISOLATE = "\u2068"
_POP_ISOLATE = "\u2069"
_LINK = regex.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_INLINE_MARK = regex.compile(r"[*`\\]+|~{2,}|\|{2,}|(?<![^\W_])_+|_+(?![^\W_])")
_BLOCK_MARK = regex.compile(r"\A(?:\s*+(?:>++|#{1,6}|-#|[-+])\s)++")


def for_message(text: str, *, growing: bool = False) -> str:
    """The text, safe to show in a message. Idempotent; never more than twice as long in either count.

    - mentions of people, roles, channels and commands, custom emoji, timestamps: made plain; `@everyone` is broken by
      a zero-width space;
    - masked links: only to http(s) and only under a label that is no address itself, else broken by a space;
    - headings become bold, small print normal, `>>> ` a quote of its line alone;
    - control characters and invisible tags are removed, directional isolates and embeddings closed on their line,
      overrides removed, towers of combining marks and floods of blank lines cut down.

    With `growing` the result begins the result for every longer text (what the next characters may change is kept
    back), so that it can be split while it streams in: `split(for_message(text, growing=True), growing=True)`.
    """
    text = clean(text, growing=growing)
    text = level_blocks(text, growing=growing)
    text = without_towers(text)
    text = without_mentions(text, growing=growing)
    return without_false_links(text, growing=growing)


def for_title(text: str, limit: int = TITLE_LIMIT) -> str:
    """The text as a title of a thread or an embed: one line, no Markdown, at most `limit` code points and UTF-16 units
    (an ellipsis where it was cut), isolated in its direction where it is written from right to left. May be empty.
    """
    plain = _plain(text[: 16 * limit])
    title = _cut_title(plain, limit - 2)
    right_to_left = _reads_from_the_right(title)
    if not right_to_left:
        whole = _cut_title(plain, limit)
        title = title if _reads_from_the_right(whole) else whole
    if is_invisible(title):
        return ""
    return f"{_FIRST_STRONG_ISOLATE}{title}{_POP_ISOLATE}" if right_to_left else title


def for_embed(text: str, limit: int = EMBED_LIMIT) -> str:
    """The text as an embed's description or field: safe as in a message, at most `limit` code points and UTF-16 units,
    cut where it reads best, with an ellipsis. May be empty. `limit` is at least LEAST_LIMIT + 1.
    """
    safe = for_message(text)
    parts = split(safe, limit)
    if len(parts) < 2:
        return parts[0].text if parts else ""
    return split(safe, limit - 1)[0].text + "…"


def _plain(text: str) -> str:
    """One line without Markdown, mentions and directional characters."""
    text = without_direction(clean(text))
    before = None
    while text != before:  # taking a mark away may join two halves of another
        before = text
        text = _INLINE_MARK.sub("", _LINK.sub(r"\1", text))
        text = _BLOCK_MARK.sub("", " ".join(text.split()))
        text = without_mentions(without_towers(text))
    return text.replace("](", "] (")


def _cut_title(text: str, room: int) -> str:
    if utf16_units(text) <= room:
        return text
    # Cleaned once more, for a flag too long for the title may have been cut open.
    return clean(shorten(text, room)[:-1]).rstrip(" _") + "…"


def _reads_from_the_right(text: str) -> bool:
    return any(unicodedata.bidirectional(char) in ("R", "AL") for char in text)

"""A manuscript for the Archive of Our Own: the text to be pasted into the HTML editor of its form, and what belongs
into the form's other fields.

The elements and attributes are those of the Archive's sanitizer (otwarchive, `sanitizer_config.rb`); it drops others
without a word. A chapter takes `CHAPTER_MAX` characters, so a longer text comes in several files, a chapter each.
"""

from __future__ import annotations

from bot.export import xhtml
from bot.export.credits import credits_of
from bot.export.manuscript import WRITER, Chapter, Manuscript, Passage
from bot.export.prose import parse

CHAPTER_MAX = 500_000
_RULE = "<hr />"


def as_ao3_html(manuscript: Manuscript, limit: int = CHAPTER_MAX) -> list[str]:
    """The work's text, in as many pieces as the Archive's limit makes it; the credits close the last one."""
    pieces = ["\n\n".join(_chapter(chapter, manuscript)) for chapter in manuscript.chapters()]
    pieces.append("\n\n".join(_credits(manuscript)))
    # A piece never is longer than the limit by itself: no answer of a model is.
    texts: list[str] = []
    for piece in pieces:
        joined = f"{texts[-1]}\n\n{_RULE}\n\n{piece}" if texts else piece
        if texts and len(joined) <= limit:
            texts[-1] = joined
        else:
            texts.append(piece)
    return [f"{text}\n" for text in texts]


def as_ao3_form(manuscript: Manuscript) -> str:
    """The fields of the form «Post New Work», under the names and in the order that it has them."""
    details = manuscript.details
    fields = [
        ("Rating", details.rating),
        ("Archive Warnings", ", ".join(details.warnings)),
        ("Fandoms", ", ".join(details.fandoms)),
        ("Relationships", ", ".join(details.relationships)),
        ("Characters", ", ".join(details.characters)),
        ("Additional Tags", ", ".join(details.tags)),
        ("Work Title", details.title),
        ("Summary", details.summary),
        ("Language", manuscript.language.own_name),
    ]
    return "\n\n".join(f"{name}:\n{value}" for name, value in fields if value) + "\n"


def _chapter(chapter: Chapter, manuscript: Manuscript) -> list[str]:
    return [block for passage in chapter.passages for block in _passage(passage, manuscript)]


def _passage(passage: Passage, manuscript: Manuscript) -> list[str]:
    blocks = xhtml.blocks(parse(passage.text).children, below=2)
    if manuscript.with_talk:
        blocks.insert(0, f"<p><strong>{xhtml.text(passage.author or WRITER)}</strong></p>")
    return [_directed(block, manuscript) for block in blocks]


def _credits(manuscript: Manuscript) -> list[str]:
    return [
        _directed(f"<p><small>{xhtml.link(credit.text, credit.url)}</small></p>", manuscript)
        for credit in credits_of(manuscript)
    ]


def _directed(block: str, manuscript: Manuscript) -> str:
    """A block with its direction where it is not the Archive's own; a rule has none."""
    if manuscript.language.direction == "ltr" or block.startswith("<hr"):
        return block
    name, rest = block[1:].split(">", 1)
    return f'<{name} dir="rtl">{rest}'

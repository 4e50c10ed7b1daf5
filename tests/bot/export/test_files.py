"""What the files of an export are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.export.files import NAME_BYTES, Format, file_stem, render
from tests.bot.export.stories import story


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("Kalevala: uusi alku", "Kalevala uusi alku"),
        ("西游记：后传", "西游记：后传"),
        ("ألف ليلة وليلة", "ألف ليلة وليلة"),
        ("../../etc/passwd", "etc passwd"),
        ('a\\b|c?d*e<f>g"h', "a b c d e f g h"),
        ("CON", "story CON"),
        ("com1.txt", "story com1.txt"),
        ("...", "story"),
        ("\u202efdp.exe", "fdp.exe"),
        ("👩\u200d👩\u200d👧 family", "👩\u200d👩\u200d👧 family"),
        ("می\u200cروم", "می\u200cروم"),
        ("", "story"),
    ],
)
def test_a_title_becomes_a_name(title: str, stem: str) -> None:
    assert file_stem(title) == stem


@given(st.text(max_size=300))
def test_a_name_is_one_that_every_system_takes(title: str) -> None:
    stem = file_stem(title)
    assert stem
    assert len(stem.encode()) <= NAME_BYTES + len("story ")
    assert not set(stem) & set('<>:"/\\|?*\0\n\r')
    assert stem == stem.strip(" .")


def test_the_archives_format_has_a_text_and_a_form() -> None:
    names = [file.name for file in render(story("fi"), Format.AO3)]
    assert names == ["Kalevala Louhen tytär & sampo.html", "Kalevala Louhen tytär & sampo (AO3 form).txt"]


@pytest.mark.parametrize("format_", Format)
def test_every_file_has_content(format_: Format) -> None:
    assert all(file.content for file in render(story("zh"), format_))

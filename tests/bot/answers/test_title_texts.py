"""What of a model's answer is a title."""

from __future__ import annotations

import pytest

from bot.answers.title import title_in


@pytest.mark.parametrize(
    ("answer", "language", "title"),
    [
        ("The Dragon's Lament", "en", "The Dragon's Lament"),
        ('"The Dragon\'s Lament."\n\nI chose this because', "en", "The Dragon's Lament"),
        ("## Title: **The Dragon's Lament**", "en", "The Dragon's Lament"),
        ("1. The Dragon's Lament\n2. Another", "en", "The Dragon's Lament"),
        ("Titel: „Das Lied des Drachen“", "de", "Das Lied des Drachen"),
        ("제목: 「용의 노래」", "ko", "용의 노래"),
        ("标题：《龙之歌》。", "zh", "龙之歌"),
        ("Tiêu đề: Khúc ca của rồng", "vi", "Khúc ca của rồng"),
        ("Harry Potter and the Dragon", "en", "Harry Potter and the Dragon"),
        ("Where Do Dragons Sleep?", "en", "Where Do Dragons Sleep?"),
        ("@everyone come", "en", "@\u200beveryone come"),
        ("Title of the Song", "en", "Title of the Song"),
        ("", "en", None),
        ("***", "en", None),
        ("…", "en", None),
        ("word " * 30, "en", None),
        ("The Long Song of the Old Dragon", "ko", None),
        ("Песня старого дракона", "en", None),
        ("Das traurige Lied des alten Drachen im Gebirge", "en", None),
    ],
)
def test_a_title_is_one_plain_line_in_the_thread_s_language(
    answer: str, language: str, title: str | None
) -> None:
    assert title_in(answer, language) == title


def test_a_title_from_right_to_left_is_kept_in_its_direction() -> None:
    assert title_in("العنوان: «أغنية التنين»", "ar") == "\u2068أغنية التنين\u2069"

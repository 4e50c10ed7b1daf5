"""Compiled catalogues: the same words, made once, and made anew where they cannot be trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.words import LOCALES, compiled
from bot.words.compiled import read_catalogue

STOP = "Stop"


def test_what_was_compiled_is_read_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_catalogue(LOCALES / "de.po", "de", tmp_path)
    monkeypatch.setattr(compiled, "read_po", None)
    second = read_catalogue(LOCALES / "de.po", "de", tmp_path)
    assert first.gettext(STOP) == second.gettext(STOP) != STOP
    answers = "{n} answer in 24 hours", "{n} answers in 24 hours"
    assert first.ngettext(*answers, 2) == second.ngettext(*answers, 2) != answers[1]


def test_a_changed_catalogue_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    source, cache = tmp_path / "de.po", tmp_path / "cache"
    source.write_bytes((LOCALES / "de.po").read_bytes())
    said = read_catalogue(source, "de", cache).gettext(STOP)
    source.write_text(source.read_text().replace(f'msgstr "{said}"', 'msgstr "Basta"'))
    assert read_catalogue(source, "de", cache).gettext(STOP) == "Basta"
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize(
    "content", [b"", b"\xde\x12\x04\x95", b"nonsense" * 9], ids=["empty", "cut", "nonsense"]
)
def test_a_broken_one_is_made_anew(tmp_path: Path, content: bytes) -> None:
    said = read_catalogue(LOCALES / "de.po", "de", tmp_path).gettext(STOP)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(content)
    assert read_catalogue(LOCALES / "de.po", "de", tmp_path).gettext(STOP) == said


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_catalogue(LOCALES / "de.po", "de", tmp_path / "file" / "below").gettext(STOP) != STOP

"""Tables of works and of languages, in the shape of the article's."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from training.__main__ import main
from training.chats import PROPERTY_TYPES, Property, read_properties
from training.checks.catalogue import check_works
from training.importing.languages import compare_languages
from training.importing.reading import Source
from training.importing.works import ImportedWorks, import_works, kind_of

HEAD = "local_name,english_name,property_type,is_local,language,script,wp_code"
TABLE = f"""{HEAD}
Мастер и Маргарита,The Master and Margarita,books,True,Russian,Cyrl,ru
Harry Potter,Harry Potter,book,False,Serbian,Cyrl/Latn,sr
Властелин колец,The Lord of the Rings,books/movies,False,Russian,Cyrl,ru
Властелин Колец,Lord of the Rings,movies,False,Russian,Cyrl,ru
Масленица,Maslenitsa,festival,True,Russian,Cyrl,ru
"Ну, погоди!","Well, Just You Wait!",cartoon,True,Russian,Cyrl,ru
魔道祖師,The Founder of Diabolism,books,True,Cantonese,Hant,zh-yue
Toppers,Toppers,tv shows,True,Afrikaans,Latn,af
Без признака,Without a Mark,movie,maybe,Russian,Cyrl,ru
"""


def sources(table: str) -> list[Source]:
    return [Source(row, f"table:{n}") for n, row in enumerate(csv.DictReader(table.strip().splitlines()), 2)]


@pytest.fixture
def imported() -> ImportedWorks:
    return import_works(sources(TABLE))


def test_kinds_are_merged_and_what_is_no_work_is_left_out(imported: ImportedWorks) -> None:
    assert [(work.english_name, work.property_type) for work in imported.works["ru"]] == [
        ("The Master and Margarita", "book"),
        ("The Lord of the Rings", "book"),
        ("Well, Just You Wait!", "animation"),
    ]
    assert imported.merged["books", "book"] == 1
    assert ("ru", "Maslenitsa", "'festival' is no kind of work") in imported.left_out
    assert ("ru", "Without a Mark", "unreadable at table:10") in imported.left_out


def test_doubles_are_taken_out_and_reported(imported: ImportedWorks) -> None:
    assert imported.doubles == [("ru", "Lord of the Rings", "The Lord of the Rings")]


def test_other_wikipedias_are_not_taken_for_ours(imported: ImportedWorks) -> None:
    assert list(imported.works) == ["ru", "sr"]
    assert imported.other_languages == {"Cantonese": 1, "Afrikaans": 1}


def test_a_name_in_the_wrong_script_comes_from_the_catalogue(imported: ImportedWorks) -> None:
    assert imported.renamed == [("sr", "Harry Potter", "Хари Потер")]
    assert imported.works["sr"][0].wikipedia_title == "Хари Потер"


def test_titles_are_the_catalogues_where_it_knows_the_work(imported: ImportedWorks) -> None:
    assert [work.wikipedia_title for work in imported.works["ru"]][:2] == [
        "Мастер и Маргарита",
        "Властелин колец",
    ]


def test_too_many_are_cut_and_too_few_are_filled_up() -> None:
    many = HEAD + "\n" + "\n".join(f"Werk {n},Work {n},books,True,German,Latn,de" for n in range(25))
    cut = import_works(sources(many))
    assert len(cut.works["de"]) == 20
    assert cut.counts["de"] == (25, 20, 20)
    assert ("de", "Work 20", "beyond the first 20") in cut.left_out
    filled = import_works(sources(TABLE), fill=True)
    assert {code: len(works) for code, works in filled.works.items()} == {"ru": 20, "sr": 20}
    assert filled.counts["ru"] == (6, 3, 20)
    assert check_works("ru", filled.works["ru"]) == []
    assert len({work.local_name.casefold() for work in filled.works["ru"]}) == 20


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("books", "book"),
        ("TV Shows", "tv_series"),
        ("books/tv shows", "book"),
        ("Tabletop role-playing games", "tabletop_game"),
        ("musical", "theatre"),
        ("folk tale", "folklore"),
        ("food", None),
        ("", None),
    ],
)
def test_what_a_name_of_a_kind_means(name: str, kind: str | None) -> None:
    assert kind_of(name) == kind


def test_every_kind_means_itself() -> None:
    assert [kind_of(kind) for kind in PROPERTY_TYPES] == list(PROPERTY_TYPES)


def test_the_command_writes_lists_that_can_be_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "properties.csv").write_text(TABLE, encoding="utf-8")
    assert (
        main(["import", str(tmp_path / "properties.csv"), "--output", str(tmp_path / "works"), "--fill"]) == 0
    )
    works: list[Property] = read_properties(tmp_path / "works" / "ru.json")
    assert len(works) == 20
    shown = capsys.readouterr().out
    assert "40 works of 2 languages" in shown
    assert "'festival' is no kind of work" in shown


LANGUAGES_TABLE = """wikipedia_name_in_english,wikipedia_name_in_native_language,language,script,wp_code
Korean Wikipedia,한국어 위키백과,Korean,Hang,ko
Serbian Wikipedia,Википедија,Serbian,Cyrl/Latn,sr
Serbian Wikipedia,Википедија,Serbian,Cyrl/Latn,sr
Hindi Wikipedia,विकिपीडिया,Hindi,Latn,hi
Afrikaans Wikipedia,Afrikaanse Wikipedia,Afrikaans,Latn,af
"""


def test_a_table_of_languages_is_held_against_the_forty() -> None:
    compared = compare_languages(sources(LANGUAGES_TABLE))
    assert compared.known == ["ko", "sr", "hi"]
    assert compared.doubles == ["sr"]
    assert compared.scripts == [("hi", "Latn", "Deva")]
    assert compared.other == [("af", "Afrikaans")]
    assert len(compared.missing) == 37


def test_the_command_reports_languages_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "languages.csv").write_text(LANGUAGES_TABLE, encoding="utf-8")
    assert main(["import", str(tmp_path / "languages.csv"), "--output", str(tmp_path / "out")]) == 0
    assert "of the forty" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()

"""Dealing out: no work on two sides, every language on each, the same bytes again."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from model.languages import LANGUAGES
from training.__main__ import main
from training.chats import CHATS, DATA, Chat, read_chats, read_folder, write_chats
from training.errors import DataError, MissingData
from training.split import SPLITS, SplitRecord, deal, read_record
from training.works import group_works


def shipped() -> list[Chat]:
    return [chat for chats in read_folder(CHATS).values() for chat in chats]


def record() -> SplitRecord:
    found = read_record(DATA / "splits.json")
    assert found is not None
    return found


def test_no_work_is_on_two_sides() -> None:
    groups = group_works(chat.property for chat in shipped())
    group_of = {chat.id: groups[chat.property] for chat in shipped()}
    sides = {side: {group_of[each] for each in record().rows[side]} for side in SPLITS}
    assert sum(map(len, sides.values())) == len(set().union(*sides.values())) == len(set(groups.values()))


def test_every_language_has_its_share_on_every_side() -> None:
    for side, share in (("train", 16), ("validation", 2), ("test", 2)):
        assert Counter(each[:2] for each in record().rows[side]) == dict.fromkeys(LANGUAGES, share)


def test_splitting_again_gives_the_same_bytes(tmp_path: Path) -> None:
    shutil.copytree(CHATS, tmp_path / "chats")
    for arguments in ([], [], ["--anew"]):
        assert main(["split", "--data", str(tmp_path), *arguments]) == 0
        for name in ("splits.json", *(f"splits/{side}.jsonl" for side in SPLITS)):
            assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()


def test_the_deal_does_not_hang_on_the_order_of_the_rows() -> None:
    chats = shipped()
    forwards, backwards = deal(chats), deal(chats[::-1])
    assert {side: set(ids) for side, ids in forwards.rows.items()} == {
        side: set(ids) for side, ids in backwards.rows.items()
    }


def test_another_seed_deals_otherwise() -> None:
    assert deal(shipped(), seed=1).held_out != deal(shipped(), seed=2).held_out


def test_a_work_once_dealt_keeps_its_side_when_rows_are_added() -> None:
    chats = shipped()
    before = deal([chat for chat in chats if chat.language not in {"ko", "sw"}])
    after = deal(chats, before=before)
    for side in SPLITS:
        assert set(before.rows[side]) <= set(after.rows[side])
    more = [chat.model_copy(update={"id": f"{chat.id}b", "language": "en"}) for chat in chats]
    for side in SPLITS:
        assert {f"{each}b" for each in after.rows[side]} <= set(deal(chats + more, before=after).rows[side])


def test_rows_about_no_work_are_dealt_one_by_one() -> None:
    chats = [chat.model_copy(update={"property": ""}) for chat in shipped()[:40]]
    assert {side: len(ids) for side, ids in deal(chats).rows.items()} == {
        "train": 32,
        "validation": 4,
        "test": 4,
    }


def several_about_each(works: int, chats: int, languages: tuple[str, ...] = ("fi", "ko")) -> list[Chat]:
    rows = {code: read_chats(CHATS / f"{code}.jsonl")[:works] for code in languages}
    return [
        chat.model_copy(update={"id": f"{chat.id}-{number}"})
        for each in rows.values()
        for chat in each
        for number in range(chats)
    ]


@pytest.mark.parametrize(("works", "chats"), [(3, 5), (4, 3), (6, 2), (8, 5), (9, 5)])
def test_works_with_more_chats_than_a_language_s_share_are_held_out_all_the_same(
    works: int, chats: int
) -> None:
    rows = several_about_each(works, chats)
    dealt = deal(rows, fill=True).rows
    for code in ("fi", "ko"):
        held_out = [sum(each.startswith(code) for each in dealt[side]) for side in SPLITS[1:]]
        assert held_out == [chats, chats]
    assert len(dealt["train"]) == 2 * (works - 2) * chats


def test_an_empty_side_takes_no_work_that_was_trained_on_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = several_about_each(3, 5, ("fi",))
    record = SplitRecord(seed=1, shares={}, held_out={}, rows={"train": [chat.id for chat in rows]})
    assert len(deal(rows, before=record, fill=True).rows["train"]) == 15
    write_chats(tmp_path / "chats" / "fi.jsonl", rows)
    (tmp_path / "splits.json").write_text(record.model_dump_json(), encoding="utf-8")
    assert main(["split", "--data", str(tmp_path)]) == 0
    assert "validation has nothing in Finnish" in " ".join(capsys.readouterr().out.split())
    assert main(["split", "--data", str(tmp_path), "--anew"]) == 0
    assert "nothing in" not in capsys.readouterr().out


def test_an_id_that_occurs_twice_is_refused() -> None:
    with pytest.raises(DataError, match="more than once: en-01"):
        deal([*shipped(), shipped()[0]])


def test_a_set_without_chats_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "chats").mkdir()
    (tmp_path / "chats" / "fi.jsonl").write_text("\n", encoding="utf-8")
    assert main(["split", "--data", str(tmp_path)]) == 2
    assert "has no chats" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "splits.json").exists()


def test_a_record_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="training split makes it"):
        read_record(tmp_path / "splits.json")
    (tmp_path / "splits.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="is no record of a split"):
        read_record(tmp_path / "splits.json")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Moomins", "The Moomins"),
        ("Case Closed (Detective Conan)", "Detective Conan"),
        ("The Witcher", "The Witcher 3: Wild Hunt"),
        ("Town Musicians of Bremen", "The Bremen Town Musicians"),
        ("Pokémon", "Pokemon"),
        ("Heroes of Might & Magic III", "Heroes of Might and Magic"),
        ("Sherlock", "Sherlock Holmes"),
        ("harry potter", "Harry Potter "),
    ],
)
def test_names_of_one_work_are_one(one: str, other: str) -> None:
    assert len(set(group_works([one, other, "Dark"]).values())) == 2


def test_a_remark_in_brackets_joins_nothing() -> None:
    assert len(set(group_works(["Anoush (opera)", "Tosca (opera)", "1670", "1984"]).values())) == 4


def test_datasets_loads_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(str(DATA), cache_dir=str(tmp_path))
    assert {side: rows.num_rows for side, rows in loaded.items()} == {
        side: len(ids) for side, ids in record().rows.items()
    }
    by_id = {chat.id: chat for chat in shipped()}
    for side in SPLITS:
        assert [Chat.model_validate(row) for row in loaded[side]] == [
            by_id[each] for each in record().rows[side]
        ]
        assert read_chats(DATA / "splits" / f"{side}.jsonl") == [by_id[each] for each in record().rows[side]]

"""Dealing out: no work on two sides, every language on each, the same bytes again."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from model.languages import LANGUAGES
from training.__main__ import main
from training.chats import CHATS, DATA, Chat, read_chats, read_folder
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


def test_an_id_that_occurs_twice_is_refused() -> None:
    with pytest.raises(DataError, match="more than once: en-01"):
        deal([*shipped(), shipped()[0]])


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

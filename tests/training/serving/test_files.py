"""Uploaded files: what is let in, what is refused and why, and what becomes of a member's rows."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import aiohttp
import openai
import pytest

from tests.training.serving.conftest import lines, listening, rows
from training.chats import CHATS

PLAIN = {
    "messages": [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": "Was machte der Wal, als der Kapitän ihn endlich gefunden hatte?"},
        {
            "role": "assistant",
            "content": "Er tauchte ab und ließ nur einen Kreis aus Schaum auf dem Wasser zurück.",
        },
    ]
}


async def test_a_file_is_stored_listed_read_and_deleted(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        content = lines(*rows(4))
        file = await running.upload(content, "mine.jsonl")
        assert (file.purpose, file.filename, file.bytes) == ("fine-tune", "mine.jsonl", len(content))
        assert file.model_extra["rows"] == 4
        assert [each.id async for each in running.client.files.list()] == [file.id]
        assert (await running.client.files.content(file.id)).content == content
        assert (await running.client.files.delete(file.id)).deleted
        with pytest.raises(openai.NotFoundError):
            await running.client.files.retrieve(file.id)


async def test_files_outlive_the_trainer(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        file = await running.upload(lines(*rows(4)))
    async with listening(tmp_path) as running:
        again = await running.client.files.retrieve(file.id)
    assert (again.id, again.bytes, again.created_at) == (file.id, file.bytes, file.created_at)


async def test_what_a_kill_left_half_written_is_no_file(tmp_path: Path) -> None:
    half = tmp_path / "trainer" / "files" / "file-half"
    half.mkdir(parents=True)
    (half / "content").write_bytes(lines(*rows(2)))
    (tmp_path / "trainer" / ".incoming-x").write_bytes(b"{")
    async with listening(tmp_path) as running:
        assert (await running.client.files.list()).data == []
    assert not half.exists()
    assert not (tmp_path / "trainer" / ".incoming-x").exists()


async def test_rows_that_were_being_left_out_lie_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    root = tmp_path / "trainer"
    first, *others = rows(4)
    async with listening(tmp_path) as running:
        file = await running.upload(lines({**first, "members": ["ann"]}, *others))
        with monkeypatch.context() as patched:
            patched.setattr("training.serving.files.os.fsync", full)
            with pytest.raises(openai.APIStatusError, match="disk"):
                await running.client.post("/members/ann/forget", cast_to=object)
            with pytest.raises(openai.APIStatusError, match="disk"):
                await running.upload(lines(*others) + b"{}\n", on_bad_rows="drop")
            with pytest.raises(openai.APIStatusError, match="disk"):
                await running.upload(lines(*others))
        (folder,) = (root / "files").iterdir()
        assert {path.name for path in folder.iterdir()} == {"file.json", "content"}
        assert not list(root.glob("*incoming*"))
    # A kill leaves them in the midst of it.
    for left in (root / "..incoming-x.new", folder / ".content.new", folder / ".file.json.x"):
        left.write_bytes(b"{")
    async with listening(tmp_path) as running:
        assert [each.id async for each in running.client.files.list()] == [file.id]
    assert {path.name for path in folder.iterdir()} == {"file.json", "content"}
    assert not list(root.glob("*incoming*"))


async def test_the_first_ten_bad_rows_are_named_with_their_reasons(tmp_path: Path) -> None:
    good = rows(1)[0]
    bad = [
        b"no json\n",
        b"[]\n",
        b"\xff\xfe\n",
        lines({**good, "language": "xx"}),
        lines({**good, "extra": 1}),
    ]
    content = lines(good) + b"\n" + b"".join(bad) + lines(good) + lines({**good, "id": ""}) * 6
    async with listening(tmp_path) as running:
        with pytest.raises(openai.BadRequestError) as refused:
            await running.upload(content)
        assert (await running.client.files.list()).data == []
    assert (refused.value.param, refused.value.code) == ("file", "invalid_rows")
    said = str(refused.value.body["message"]).splitlines()
    assert said[0].startswith("line 3: it is no JSON")
    assert said[1] == "line 4: it is no JSON object"
    assert said[2] == "line 5: it is not UTF-8"
    assert said[3] == "line 6: language 'xx' is none of the forty"
    assert said[4].startswith("line 7: extra:")
    assert said[5] == "line 8: id: the same as in line 1"
    assert said[10] == "and 2 more"


async def test_content_is_checked_as_the_shipped_data_is(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        with pytest.raises(openai.BadRequestError, match=r"line 1: .*length: messages\.1: 8 words"):
            await running.upload(lines(*rows(2)), checks="all")
        shipped = b"".join((CHATS / "fi.jsonl").read_bytes().splitlines(keepends=True)[:5])
        file = await running.upload(shipped, checks="all")
        assert file.model_extra["languages"] == ["fi"]
        twice = shipped + shipped.replace(b'"id": "fi-', b'"id": "again-')
        with pytest.raises(openai.BadRequestError, match=r"line 6: duplicate: 100% the same as fi-01"):
            await running.upload(twice, checks="all")


async def test_bad_rows_are_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    good = rows(2)
    async with listening(tmp_path) as running:
        content = lines(good[0]) + b"{}\n" + lines(good[1])
        file = await running.upload(content, on_bad_rows="drop")
        assert (file.model_extra["rows"], file.model_extra["dropped"]) == (2, 1)
        assert file.model_extra["dropped_rows"][0]["line"] == 2
        assert (await running.client.files.content(file.id)).content == lines(*good)
        with pytest.raises(openai.BadRequestError, match="nothing to train on"):
            await running.upload(b"{}\n", on_bad_rows="drop")


async def test_plain_messages_become_chats(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        file = await running.upload(lines(PLAIN), checks="all")
        (row,) = running.trainer.service.files.rows(running.trainer.service.files.get(file.id)).good
        assert (row.chat.language, row.chat.messages[0].role) == ("de", "user")
        with pytest.raises(openai.BadRequestError, match=r"line 1: .*no talk|line 1: no question"):
            await running.upload(lines({"messages": [{"role": "user", "content": "Hallo?"}]}))


async def test_liked_answers_are_checked_and_disliked_ones_are_not(tmp_path: Path) -> None:
    refusing = {
        "messages": [
            PLAIN["messages"][1],
            {
                "role": "assistant",
                "content": "Es tut mir leid, aber als KI-Sprachmodell kann ich dabei nicht helfen.",
            },
        ]
    }
    async with listening(tmp_path) as running:
        file = await running.upload(
            lines({**PLAIN, "rating": 1}, {**refusing, "rating": -1}), kind="rated", checks="all"
        )
        assert file.model_extra["kind"] == "rated"
        with pytest.raises(openai.BadRequestError, match="line 1: refusal"):
            await running.upload(lines({**refusing, "rating": 1}), kind="rated", checks="all")
        with pytest.raises(openai.BadRequestError, match="line 1: rating"):
            await running.upload(lines({**PLAIN, "rating": 2}), kind="rated")


async def test_what_a_model_wrote_in_use_may_be_short(tmp_path: Path) -> None:
    row = {**rows(4)[3], "lookup": None, "background": []}
    row["messages"] = [{**turn, "content": turn["content"].split("\n")[0]} for turn in row["messages"]]
    async with listening(tmp_path) as running:
        with pytest.raises(openai.BadRequestError, match="line 1: length"):
            await running.upload(lines(row), checks="all")
        assert (await running.upload(lines({**row, "model": "tiny"}), checks="all")).model_extra["rows"] == 1


async def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with listening(tmp_path, trainer_max_file_mb=1) as running:
        with pytest.raises(openai.APIStatusError, match="larger than 1 MB") as refused:
            await running.upload(b" " * (2**20 + 1))
        assert refused.value.status_code == 413
        assert list((tmp_path / "trainer").glob(".incoming-*")) == []


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"purpose": "batch"}, "purpose"),
        ({"purpose": "fine-tune", "kind": "poems"}, "kind"),
        ({"purpose": "fine-tune", "members": "{}"}, "members"),
        ({"purpose": "fine-tune", "checks": "none"}, "checks"),
        ({"purpose": "fine-tune", "on_bad_rows": "keep"}, "on_bad_rows"),
    ],
)
async def test_a_form_with_a_wrong_field_is_told_which(
    fields: dict[str, str], param: str, tmp_path: Path
) -> None:
    async with listening(tmp_path) as running, aiohttp.ClientSession() as session:
        form = aiohttp.FormData({"file": lines(*rows(1)).decode(), **fields})
        form.add_field("other", "x", content_type="text/plain", filename="x")
        async with session.post(f"{running.url}/v1/files", data=form) as response:
            assert response.status == 400
            assert (await response.json())["error"]["param"] == param


async def test_a_members_rows_are_forgotten(tmp_path: Path) -> None:
    first, second, third = rows(3)
    content = lines({**first, "members": ["ann", "bob"]}, {**second, "members": ["bob"]}, third)
    async with listening(tmp_path) as running:
        file = await running.upload(content, members=json.dumps(["ann", "cy"]))
        assert await running.client.post("/members/cy/forget", cast_to=object) == {
            "object": "member.forgotten",
            "removed": 1,  # the row that does not say whose it is
        }
        assert (await running.client.post("/members/ann/forget", cast_to=object))["removed"] == 1
        assert (await running.client.post("/members/ann/forget", cast_to=object))["removed"] == 0
        left = (await running.client.files.content(file.id)).content
        assert left == lines({**second, "members": ["bob"]})
        assert (await running.client.files.retrieve(file.id)).model_extra["rows"] == 1
    assert b'"ann"' not in b"".join(path.read_bytes() for path in (tmp_path / "trainer").rglob("*.json"))


async def test_a_kill_while_a_file_is_deleted_keeps_nobody_from_being_forgotten(tmp_path: Path) -> None:
    mine = lines(*rows(4, members=["ann"]))
    async with listening(tmp_path) as running:
        other, half = await running.upload(mine), await running.upload(mine)
        folder = tmp_path / "trainer" / "files" / half.id
        (folder / "content").unlink()
        assert (await running.client.post("/members/ann/forget", cast_to=object))["removed"] == 4
        assert (await running.client.files.retrieve(other.id)).bytes == 0
    async with listening(tmp_path) as running:
        assert [each.id async for each in running.client.files.list()] == [other.id]
    assert not folder.exists()


async def test_datasets_are_the_shipped_one_and_the_uploaded_files(tmp_path: Path) -> None:
    async with listening(tmp_path) as running:
        file = await running.upload(lines(*rows(4)), "mine.jsonl")
        shipped, mine = (await running.client.get("/datasets", cast_to=object))["data"]
    assert (shipped["id"], shipped["rows"], len(shipped["languages"])) == ("shipped", 640, 40)
    assert mine == {
        "id": file.id, "object": "dataset", "name": "mine.jsonl", "rows": 4,
        "languages": ["de", "sv", "ko", "en"], "kind": "chats",
    }  # fmt: skip

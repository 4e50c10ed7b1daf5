"""Files that leave and files that come in: no path out of an archive, no markup out of a text, and no more memory for
an import than its file deserves."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import aiohttp
import openai
import pyarrow
import pytest
from pyarrow import parquet
from yarl import URL

from bot.export.details import Details
from bot.export.files import Format, render
from bot.export.manuscript import Passage, Source
from tests.bot.export.stories import WHEN, story
from tests.training.serving.conftest import lines, listening, rows
from training.errors import CannotRead
from training.importing import reading
from training.importing.reading import read_file
from training.serving.results import _zip

SCRIPT = "</section></body><script>alert(1)</script><img src=x onerror=alert(1)>"
MARKUP = f"{SCRIPT} ]]> <!-- &lol; <a href='javascript:x'>y</a>"
TRAVERSAL = "../../../../etc/cron.d/evil"
HOSTILE = f"{TRAVERSAL} {MARKUP}\x00\u202e"


def hostile_story(*, with_talk: bool):
    links = f"{MARKUP} [x](javascript:alert(1)) [y](data:text/html,x) [z](https://a@evil.example) ![p](file:///etc/passwd)"
    passages = (Passage(HOSTILE, HOSTILE, WHEN), Passage(f"# {HOSTILE}\n\n{links}", None, WHEN, HOSTILE))
    details = Details(HOSTILE[:255]).with_values(
        {"summary": links, "tags": [HOSTILE], "fandoms": [TRAVERSAL], "characters": [MARKUP]}
    )
    return story(
        "fi",
        passages=passages if with_talk else passages[1:],
        with_talk=with_talk,
        details=details,
        contributors=(HOSTILE,),
        notices=(HOSTILE,),
        sources=(Source(HOSTILE, "fi", HOSTILE, f"javascript:{MARKUP}", 1, True),),
    )


@pytest.mark.parametrize("with_talk", [False, True])
@pytest.mark.parametrize("format_", Format)
def test_an_export_has_no_path_in_its_names_and_nothing_that_runs_in_its_text(
    format_: Format, with_talk: bool
) -> None:
    for file in render(hostile_story(with_talk=with_talk), format_):
        assert PurePosixPath(file.name).name == file.name
        assert not set("/\\\x00\u202e") & set(file.name)
        assert not file.name.startswith(".")
        texts = [file.content] if not file.name.endswith(".epub") else unzipped(file.content)
        for text in texts:
            assert "\x00" not in text.decode()
            assert "\u202e" not in text.decode()
            if file.name.endswith((".html", ".epub")):
                assert b"<script" not in text
                assert b"<img" not in text
                assert b"<!--" not in text
                assert b'href="javascript' not in text.lower()
                assert b'href="data:' not in text.lower()
                assert b'href="file:' not in text.lower()
        if file.name.endswith(".json"):
            json.loads(file.content)


def unzipped(content: bytes) -> list[bytes]:
    """The documents of a book, whose names all lie in it."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        for info in book.infolist():
            path = PurePosixPath(info.filename)
            assert not path.is_absolute()
            assert ".." not in path.parts
            assert "\\" not in info.filename
            assert "evil" not in info.filename
            assert (info.external_attr >> 16) & 0o170000 in {0, 0o100000}, "a file, no link"
        documents = [book.read(name) for name in book.namelist() if name.endswith((".xhtml", ".opf", ".xml"))]
    for document in documents:
        ElementTree.fromstring(document)  # noqa: S314 -- our own
    return documents


def test_the_archive_of_an_adapter_has_no_path_out_of_it(tmp_path: Path) -> None:
    adapter = tmp_path / "mine"
    (adapter / "deeper").mkdir(parents=True)
    for name in ("adapter_config.json", "..evil", "deeper/x"):
        (adapter / name).write_text("x")
    _zip(adapter, tmp_path / "adapter.zip")
    with zipfile.ZipFile(tmp_path / "adapter.zip") as made:
        for name in made.namelist():
            assert name.startswith("mine/")
            assert ".." not in PurePosixPath(name).parts


@pytest.mark.parametrize(
    "name", [TRAVERSAL, "/etc/passwd", "..", "a/../../b", "x\x00y", "..\\..\\x", "c" * 3000, "\u202egnp.exe"]
)
async def test_an_uploads_name_is_no_path_of_the_trainers(name: str, tmp_path: Path) -> None:
    async with listening(tmp_path / "t") as running:
        before = {path for path in tmp_path.rglob("*") if path.is_file()}
        try:
            file = await running.upload(lines(*rows(4)), filename=name)
        except openai.BadRequestError:
            return
        assert "/" not in file.filename
        assert len(file.filename) <= 200
        made = {path for path in tmp_path.rglob("*") if path.is_file()} - before
        assert {path.name for path in made} == {"content", "file.json"}
        assert all(path.is_relative_to(tmp_path / "t" / "trainer" / "files" / file.id) for path in made)
        content = await running.client.files.with_raw_response.content(file.id)
        disposition = content.headers["content-disposition"]
        assert disposition.count('"') == 2
        assert "\n" not in disposition
        assert content.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "given", ["..", "../files", "%2e%2e%2fjobs", "..%2f..%2f..%2fetc%2fpasswd", "a%00b", "."]
)
async def test_no_id_in_a_path_is_a_path_of_the_disk(given: str, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"secret": "xyzzy"}')
    async with listening(tmp_path / "t") as running, aiohttp.ClientSession() as http:
        for path in (
            "files/{}",
            "files/{}/content",
            "fine_tuning/jobs/{}",
            "fine_tuning/jobs/{}/events",
            "recipes/{}/estimate",
        ):
            url = URL(f"{running.url}/v1/{path.format(given)}", encoded=True)
            async with http.get(url, allow_redirects=False) as answer:
                assert "xyzzy" not in await answer.text()
                assert answer.status in {400, 404} or given in {"..", "../files", "."}


@pytest.mark.parametrize(
    "suffix", [TRAVERSAL, "../x", "a/b", ".", "..", "-x", "x" * 65, "x\n", "x\x00", "X", "ä"]
)
async def test_the_name_of_a_new_adapter_is_no_path(suffix: str, tmp_path: Path) -> None:
    async with listening(tmp_path / "t") as running:
        with pytest.raises(openai.BadRequestError) as refused:
            await running.client.fine_tuning.jobs.create(model="tiny", training_file="shipped", suffix=suffix)
        assert refused.value.param == "suffix"
        assert running.trainer.service.jobs.all() == []


# --- Imports


@pytest.fixture
def a_megabyte(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file may unpack to a gigabyte, a megabyte."""
    monkeypatch.setattr(reading, "_MOST_BYTES", 2**20)


@pytest.mark.usefixtures("a_megabyte")
@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.csv.gz", "x.json.gz", "x.parquet.gz", "x.jsonl"])
def test_a_file_that_holds_or_unpacks_to_too_much_is_not_read(name: str, tmp_path: Path) -> None:
    content = b'{"a": 1}\n' * 2**18
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    with pytest.raises(CannotRead, match="more than 1 MB"):
        list(read_file(tmp_path / name))


@pytest.mark.usefixtures("a_megabyte")
def test_nor_a_table_whose_dictionary_is_in_every_row(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    parquet.write_table(pyarrow.table({"messages": ["x" * 100_000] * 2_000}), path, compression="zstd")
    assert path.stat().st_size < 100_000
    with pytest.raises(CannotRead, match="more than 1 MB"):
        list(read_file(path))


def test_nor_a_table_of_endlessly_many_columns(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(",".join(map(str, range(5_000))) + "\n" + "a\n" * 100_000)
    with pytest.raises(CannotRead, match="1000 columns"):
        list(read_file(tmp_path / "x.csv"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\x1f\x8b\x08\x00", id="a head alone"),
        pytest.param(b"no gzip", id="no gzip"),
        pytest.param(gzip.compress(b"{}" * 99, mtime=0)[:-9], id="cut short"),
        pytest.param(b"", id="empty"),
    ],
)
def test_what_is_not_packed_as_it_says_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.json.gz").write_bytes(content)
    with pytest.raises(CannotRead):
        list(read_file(tmp_path / "x.json.gz"))


@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_what_is_nested_without_end_is_refused(name: str, tmp_path: Path) -> None:
    for content in ("[" * 100_000, '{"a":' * 100_000, '{"messages": "' + "[" * 100_000 + '"}'):
        (tmp_path / name).write_text(content)
        if content.endswith('"}'):
            assert len(list(read_file(tmp_path / name))) == 1
        else:
            with pytest.raises(CannotRead):
                list(read_file(tmp_path / name))


def test_a_huge_line_and_a_huge_field_are_read_as_what_they_are(tmp_path: Path) -> None:
    huge = "x" * 5_000_000
    (tmp_path / "x.csv").write_text(f"prompt,response\nq,{huge}\n")
    (tmp_path / "x.jsonl").write_text(json.dumps({"prompt": "q", "response": huge}) + "\n")
    for name in ("x.csv", "x.jsonl"):
        (found,) = read_file(tmp_path / name)
        assert found.row["response"] == huge

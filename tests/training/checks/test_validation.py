"""The whole of a validation: files in, rows kept and dropped, reports out."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.training.checks.rows import answer, changed, good_row, good_rows, with_message
from training.__main__ import main
from training.chats import CHATS, PROPERTIES, Chat, chat_line, read_chats
from training.checks.finding import KINDS
from training.checks.report import MAX_ROWS, markdown, page
from training.checks.validation import Dropped, Outcome, chat_files, validate
from training.errors import MissingData


def spoilt() -> dict[str, list[str]]:
    """Code → lines, with one flaw of most kinds among good rows."""
    rows = {code: list(good_rows(code)[:8]) for code in ("de", "th", "zh")}
    german, thai, chinese = rows["de"], rows["th"], rows["zh"]
    german[1] = with_message(german[1], 3, answer(good_row("nl")))
    german[2] = with_message(german[2], 3, "Es tut mir leid, aber ich kann das nicht. " + answer(german[2]))
    german[3] = with_message(german[3], 3, "Natürlich! " + answer(german[3]))
    german[4] = with_message(german[4], 3, "# Titel\n" + answer(german[4]))
    german[5] = with_message(german[5], 3, answer(german[5]) + " Und dann kam der Wind." * 6)
    german[6] = with_message(german[6], 3, "Kurz.")
    german.append(changed(german[0], id="de-90"))
    german.append(changed(german[7], property="Faust"))
    thai[1] = with_message(thai[1], 3, answer(good_row("ru")))
    thai[2] = with_message(thai[2], 3, answer(thai[2]) + "\nThis is what you should have from the start.")
    chinese[1] = with_message(chinese[1], 2, chinese[1].messages[2].content + "\n>>> 西游记\n>>> zh")
    lines = {code: [chat_line(row) for row in each] for code, each in rows.items()}
    lines["zh"].append('{"id": "zh-99", "language": "zh"}\n')
    return lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spoilt")
    for code, lines in spoilt().items():
        (path / f"{code}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def outcome(folder: Path) -> Outcome:
    return validate(chat_files(folder), PROPERTIES)


def test_the_shipped_data_passes() -> None:
    outcome = validate(chat_files(CHATS), PROPERTIES)
    assert outcome.dropped == ()
    assert outcome.notes == ()
    assert outcome.passed
    assert len(outcome.kept) == 800


def test_every_planted_row_is_dropped_with_its_reason_and_no_other(outcome: Outcome) -> None:
    found = {
        (row.language, row.file.name, row.line): {each.check for each in row.findings}
        for row in outcome.dropped
    }
    expected = {
        ("de", 2): "language",
        ("de", 3): "refusal",
        ("de", 4): "boilerplate",
        ("de", 5): "form",
        ("de", 6): "loop",
        ("de", 7): "length",
        ("de", 9): "duplicate",
        ("de", 10): "schema",
        ("th", 2): "script",
        ("th", 3): "english",
        ("zh", 2): "tag",
        ("zh", 9): "schema",
    }
    # Every second line is blank: places are lines of the file.
    assert {(code, (line + 1) // 2) for code, _, line in found} == set(expected)
    for (code, _, line), checks in found.items():
        assert expected[code, (line + 1) // 2] in checks
    assert {code: outcome.counts(code) for code in outcome.languages()} == {
        "de": (2, 8),
        "zh": (7, 2),
        "th": (6, 2),
    }
    assert not outcome.passed


def test_the_markdown_report_says_what_was_dropped_and_why(outcome: Outcome) -> None:
    text = markdown(outcome)
    assert "15 of 27 rows kept (55.6%), 12 dropped." in text
    assert re.search(r"\| de \| German \| 2 \| 8 \| 20% \|.*refusal 1", text)
    assert f"| refusal | 1 | {KINDS['refusal']} |" in text
    assert "**de-03** (de.jsonl:5): " in text
    assert "- refusal: messages.3: «es tut mir leid, aber ich kann»" in text
    assert "Harry Potter | 34 |" in text


class Page(HTMLParser):
    """Which tags are open, and every address that a page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "img", "source"}:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "srcset", "href"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_beside_it(outcome: Outcome) -> None:
    text = page(outcome)
    parser = Page()
    parser.feed(text)
    assert parser.open == []
    assert len(parser.addresses) == 6  # three pictures, light and dark
    assert all(address.startswith("data:image/png;base64,") for address in parser.addresses)
    assert "Es tut mir leid, aber ich kann das nicht." in text


def test_text_from_rows_stays_text_in_the_page(folder: Path) -> None:
    row = with_message(changed(good_row("de"), id="<b>"), 3, "<script>alert(1)</script>")
    finding = validate(chat_files(folder / "zh.jsonl")).dropped[0].findings
    text = page(Outcome((), (Dropped(folder / "x.jsonl", 1, row.id, "de", row, finding),)), plots=False)
    assert "<script>" not in text
    assert "<b>" not in text


def test_a_long_list_of_dropped_rows_is_cut_in_the_report(outcome: Outcome) -> None:
    many = Outcome((), outcome.dropped * 50)
    assert markdown(many).count("\n- refusal") < MAX_ROWS
    assert f"The first {MAX_ROWS} of 600; findings.jsonl has all." in markdown(many)


def test_the_command_writes_reports_and_the_rows_kept(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["validate", str(folder), "--report", str(tmp_path / "r"), "--output", str(tmp_path / "kept")]
    assert main([*arguments, "--no-plots"]) == 1
    assert "15 of 27 rows kept" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == [
        "findings.jsonl",
        "report.html",
        "report.md",
    ]
    assert {path.stem: len(read_chats(path)) for path in (tmp_path / "kept").iterdir()} == {
        "de": 2,
        "zh": 7,
        "th": 6,
    }
    records = [json.loads(line) for line in (tmp_path / "r" / "findings.jsonl").read_text().splitlines()]
    assert len(records) == 12
    assert records[-1]["findings"][0]["check"] in KINDS


def test_good_rows_in_one_file_of_any_name_pass(tmp_path: Path) -> None:
    rows: list[Chat] = [*good_rows("et")[:2], *good_rows("ar")[:2]]
    (tmp_path / "mixed.jsonl").write_text("".join(map(chat_line, rows)), encoding="utf-8")
    assert (
        main(["validate", str(tmp_path / "mixed.jsonl"), "--report", str(tmp_path / "r"), "--no-plots"]) == 0
    )


def test_a_row_is_no_repeat_of_one_that_is_itself_dropped(tmp_path: Path) -> None:
    good = good_row("de")
    bad = with_message(good, 3, "Kurz.")
    (tmp_path / "x.jsonl").write_text("".join(map(chat_line, (bad, good, good))), encoding="utf-8")
    outcome = validate([tmp_path / "x.jsonl"])
    assert outcome.kept == (good,)
    assert [row.line for row in outcome.dropped] == [1, 3]
    assert any(each.where == "id" and each.detail.endswith(":2") for each in outcome.dropped[1].findings)


def test_a_folder_without_rows_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=r"has no \*\.jsonl"):
        chat_files(tmp_path)

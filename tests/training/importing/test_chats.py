"""Chats from elsewhere, in every form they come in, become rows of this dataset."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from model.prompt.gemma import GEMMA
from model.prompt.llama3 import ARTICLE, LLAMA3, LLAMA31_GUIDE
from tests.training.checks.rows import good_row, good_rows
from training.__main__ import main
from training.chats import Chat, as_messages, chat_line, read_chats
from training.checks.row import check_row
from training.errors import CannotRead
from training.importing.chats import Imported, import_chats
from training.importing.reading import Source, read_source

Q1 = "Wie schreibe ich die Kindliche Kaiserin, ohne dass sie langweilig klingt?"
A1 = (
    "Lass sie wenig sagen und viel wissen. Mehr kann ich sagen, wenn ich nachgelesen habe.\n\n"
    ">>> Die unendliche Geschichte\n>>> de"
)
NOTE = "Die unendliche Geschichte ist ein Roman von Michael Ende, der 1979 erschien."
Q2 = "Und wie beginnt die Szene im Elfenbeinturm?"
A2 = "Mit dem Licht, das von ihr selbst kommt. Atréju tritt ein und vergisst, was er sagen wollte."


def took(*rows: dict[str, Any], **options: Any) -> Imported:
    return import_chats([Source(row, f"here:{number}") for number, row in enumerate(rows, 1)], **options)


def one(row: dict[str, Any], **options: Any) -> Chat:
    imported = took(row, **options)
    assert imported.skipped == {}
    return imported.chats[0]


def turns(chat: Chat) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in chat.messages]


FOUR = [("user", Q1), ("assistant", A1), ("user", Q2), ("assistant", A2)]
PLAIN = [("user", Q2), ("assistant", A2)]
SYSTEM = ("system", "Help.")


def openai(*said: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in said]


def llama(*said: tuple[str, str], after_header: str = "\n\n") -> str:
    head = "<|start_header_id|>{}<|end_header_id|>"
    return "".join(f"{head.format(role)}{after_header}{text}<|eot_id|>" for role, text in said)


def gemma(*said: tuple[str, str]) -> str:
    names = {"user": "user", "assistant": "model"}
    return "<bos>" + "".join(f"<start_of_turn>{names[role]}\n{text}<end_of_turn>\n" for role, text in said)


FOUR_TURNS: dict[str, dict[str, Any]] = {
    "OpenAI messages": {"messages": openai(SYSTEM, *FOUR)},
    "OpenAI content parts": {
        "messages": [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in FOUR]
    },
    "ShareGPT": {
        "conversations": [
            {"from": {"user": "human", "assistant": "gpt"}[role], "value": text} for role, text in FOUR
        ]
    },
    "a chat list under another name": {
        "language": "German",
        "talk": [{"speaker": role, "text": text} for role, text in FOUR],
    },
    "JSON in a column": {"chat": json.dumps(openai(*FOUR))},
    "texts in turn": {"conversation": [text for _, text in FOUR]},
    "pairs": {"turns": [list(pair) for pair in FOUR]},
    "preference data": {"chosen": openai(*FOUR), "rejected": openai(("user", Q1), ("assistant", "Nein."))},
    "numbered": {"question_1": Q1, "answer_1": A1, "question_2": Q2, "answer_2": A2},
    "numbered prompts": {"Prompt 1": Q1, "Response 1": A1, "Prompt 2": Q2, "Response 2": A2},
    "ordinals": {"first_question": Q1, "first_answer": A1, "second_question": Q2, "second_answer": A2},
    "Alpaca with a history": {"instruction": Q2, "input": "", "output": A2, "history": [[Q1, A1]]},
    "Llama 3": {"text": "<|begin_of_text|>" + llama(*FOUR)},
    "the 3.1 guide's rows": {"text": llama(SYSTEM, *FOUR, after_header="\n") + "<|end_of_text|>"},
    "prompt and completion with special tokens": {
        "prompt": f"<|begin_of_text|>{llama(*FOUR[:3])}<|start_header_id|>assistant<|end_header_id|>\n\n",
        "completion": A2 + "<|eot_id|>",
    },
    "ChatML": {"text": "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in FOUR)},
    "Gemma": {"text": gemma(*FOUR)},
    "Llama 2": {
        "text": f"<s>[INST] <<SYS>>\nHelp.\n<</SYS>>\n\n{Q1} [/INST] {A1} </s><s>[INST] {Q2} [/INST] {A2} </s>"
    },
    "Zephyr": {"text": "".join(f"<|{role}|>\n{text}</s>\n" for role, text in FOUR)},
    "role markers": {"text": f"### Human: {Q1}\n### Assistant: {A1}\n### Human: {Q2}\n### Assistant: {A2}"},
}


@pytest.mark.parametrize("form", FOUR_TURNS)
def test_a_talk_of_four_turns_is_read(form: str) -> None:
    chat = one(FOUR_TURNS[form])
    assert turns(chat) == FOUR
    assert chat.lookup is not None
    assert (chat.language, chat.lookup.term) == ("de", "Die unendliche Geschichte")
    assert (chat.property, chat.task) == ("The Neverending Story", "imported")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": Q2, "response": A2},
        {"question": Q2, "answer": A2},
        {"instruction": Q2, "input": "", "output": A2},
        {"input": Q2, "output": A2},
        {"query": Q2, "completion": A2, "system": "Help."},
        {"prompt": Q2, "chosen": A2, "rejected": "Nein."},
    ],
)
def test_a_pair_is_read(row: dict[str, Any]) -> None:
    assert turns(one(row)) == PLAIN


def test_alpacas_input_goes_with_the_instruction() -> None:
    chat = one({"instruction": "Bring das in Form:", "input": "Es war Nacht.", "output": A2})
    assert chat.messages[0].content == "Bring das in Form:\n\nEs war Nacht."


# --- the published dataset and the article's strings ---


def article_string(*, notes_label: str = "") -> str:
    """As the article's notebook wrote prompts, with the snippet as a user turn of its own."""
    head = "<|begin_of_text|><|start_header_id|>{}<|end_header_id|>\n{}"
    said = [("user", Q1), ("assistant", A1), ("user", notes_label + NOTE), ("user", Q2), ("assistant", A2)]
    return "".join(head.format(role, text) for role, text in said) + "<|eot_id|>"


@pytest.mark.parametrize("label", ["", "Context: ", "**Wikipedia**: "])
@pytest.mark.parametrize("column", ["text", "prompt", "formatted_chat"])
def test_the_articles_strings_give_back_snippet_and_tag(label: str, column: str) -> None:
    chat = one(
        {"language": "German", "property": "The Neverending Story", column: article_string(notes_label=label)}
    )
    assert turns(chat) == FOUR
    assert [(note.title, note.text, note.source) for note in chat.background] == [
        ("Die unendliche Geschichte", NOTE, "imported")
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": openai(*FOUR), "context": NOTE},
        {"messages": openai(*FOUR[:2], ("tool", NOTE), *FOUR[2:])},
        {**FOUR_TURNS["ordinals"], "wikipedia": NOTE},
        {**FOUR_TURNS["numbered"], "background": [{"title": "Die unendliche Geschichte", "extract": NOTE}]},
    ],
)
def test_the_snippet_is_found_in_a_column_or_between_turns(row: dict[str, Any]) -> None:
    chat = one({"wp_code": "de", **row})
    assert turns(chat) == FOUR
    assert [(note.title, note.text) for note in chat.background] == [("Die unendliche Geschichte", NOTE)]


@pytest.mark.parametrize("prompt_format", [LLAMA3, LLAMA31_GUIDE, ARTICLE, GEMMA], ids=lambda each: each.name)
@pytest.mark.parametrize("language", ["ko", "ar", "sw"])
def test_what_our_own_prompts_say_comes_back(prompt_format: Any, language: str) -> None:
    for row in good_rows(language)[:6]:
        text = "".join(piece.text for piece in prompt_format.pieces(as_messages(row), open_answer=False))
        chat = one({"text": text})
        assert chat.messages == row.messages
        assert (chat.lookup, chat.language) == (row.lookup, row.language)
        assert [(n.title, n.text) for n in chat.background] == [(n.title, n.text) for n in row.background]


def test_a_sloppy_tag_is_given_its_exact_form() -> None:
    chat = one(
        {"question_1": Q1, "answer_1": "Gleich.\n>>>Momo\n>>> German", "question_2": Q2, "answer_2": A2}
    )
    assert chat.messages[1].content == "Gleich.\n\n>>> Momo\n>>> de"


def test_a_tag_of_the_wrong_language_is_kept_for_the_checks_to_find() -> None:
    row = {"language": "ko", "messages": openai(*FOUR)}
    assert {"tag"} <= {finding.check for finding in check_row(one(row))}


# --- what rows say of themselves ---


def test_rows_of_this_dataset_stay_as_they_are() -> None:
    row = good_row("hi")
    assert one(json.loads(chat_line(row))) == row


def test_the_language_is_what_the_row_says_else_what_it_reads_like() -> None:
    pair = {"prompt": good_row("sv").messages[0].content, "response": good_row("sv").messages[3].content}
    assert one(pair).language == "sv"
    assert one({**pair, "language": "Norwegian Bokmål"}).language == "no"
    assert one({**pair, "locale": "da-DK"}).language == "da"
    assert one(pair, language="fi").language == "fi"


def test_ids_name_the_source_and_task_is_kept_where_it_is_known() -> None:
    chat = one({"prompt": Q2, "response": A2, "task": "opening"}, name="My Data.v2")
    assert (chat.id, chat.task) == ("de-my-data-v2-00001", "opening")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"a": 1, "b": "nothing here"}, "no talk in the columns a, b"),
        (
            {"prompt": Q2, "response": A2, "language": "Afrikaans"},
            "language 'Afrikaans' is none of the forty",
        ),
        (
            {"messages": openai(("user", Q1), ("user", Q2))},
            "no question with an answer",
        ),
        ({"prompt": "??", "response": "!!"}, "the language cannot be told"),
    ],
)
def test_rows_that_make_no_chat_are_passed_over_with_a_reason(row: dict[str, Any], why: str) -> None:
    imported = took({"prompt": Q2, "response": A2}, row)
    assert len(imported.chats) == 1
    assert imported.skipped == {why: ["here:2"]}


def test_a_question_left_open_at_the_end_is_left_out() -> None:
    assert turns(one({"messages": openai(*PLAIN, ("user", "Und dann?"))})) == PLAIN


def test_background_without_a_look_up_stands_before_the_first_question() -> None:
    chat = one({"question": Q2, "answer": A2, "context": NOTE, "title": "Die unendliche Geschichte"})
    assert NOTE in as_messages(chat)[1]["content"]


# --- files ---

ROWS = [{"language": "de", "prompt": Q1, "response": A2}, {"language": "de", "prompt": Q2, "response": A2}]


def as_csv(delimiter: str) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, ROWS[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps(ROWS)),
        ("columns.json", json.dumps({"language": ["de", "de"], "prompt": [Q1, Q2], "response": [A2, A2]})),
        ("viewer.json", json.dumps({"rows": [{"row_idx": n, "row": row} for n, row in enumerate(ROWS)]})),
        ("wrapped.json", json.dumps({"data": ROWS})),
        ("lines.json", "\n".join(map(json.dumps, ROWS))),
        ("a.jsonl", "\n\n".join(map(json.dumps, ROWS))),
        ("a.csv", "\ufeff" + as_csv(",")),
        ("semicolons.csv", as_csv(";")),
        ("a.tsv", as_csv("\t")),
    ],
)
def test_files_of_every_kind_are_read(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with gzip.open(tmp_path / f"zipped-{name}.gz", "wt", encoding="utf-8") as file:
        file.write(content)
    for path in tmp_path.iterdir():
        assert [chat.messages[0].content for chat in import_chats(read_source(str(path))).chats] == [Q1, Q2]


def test_parquet_with_nested_columns_is_read(tmp_path: Path) -> None:
    import datasets

    rows = [
        {"conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": A2}]} for q in (Q1, Q2)
    ]
    datasets.Dataset.from_list(rows).to_parquet(tmp_path / "a.parquet")
    chats = import_chats(read_source(str(tmp_path))).chats
    assert [turns(chat) for chat in chats] == [[("user", q), ("assistant", A2)] for q in (Q1, Q2)]


def test_the_hub_is_read_split_by_split(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    data = datasets.DatasetDict(
        {"train": datasets.Dataset.from_list(ROWS), "test": datasets.Dataset.from_list(ROWS[:1])}
    )
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: data[split] if split else data)
    everything = list(read_source("robgonsalves/Multilingual-FanFic-Chat-4K"))
    assert [source.place.split("/")[-1] for source in everything] == ["train:1", "train:2", "test:1"]
    assert len(list(read_source("robgonsalves/Multilingual-FanFic-Chat-4K", split="test"))) == 1


def test_what_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xml").write_text("<a/>")
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n{"a": ')
    (tmp_path / "bad.parquet").write_text("no")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    for source, why in [
        ("a.xml", r"\.xml is none of"),
        ("bad.jsonl", "cannot be read as jsonl: line 2"),
        ("bad.parquet", "cannot be read as parquet"),
        ("empty", "has no .json"),
        ("nowhere", "is no file, no folder"),
    ]:
        with pytest.raises(CannotRead, match=why):
            list(read_source(source))


def test_the_command_writes_a_file_a_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    french = good_row("fr")
    rows = [*ROWS, {"prompt": french.messages[2].content, "response": french.messages[3].content}, {"x": 1}]
    (tmp_path / "mixed.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert main(["import", str(tmp_path / "mixed.jsonl"), "--output", str(tmp_path / "out")]) == 0
    assert {path.name: len(read_chats(path)) for path in (tmp_path / "out").iterdir()} == {
        "de.jsonl": 2,
        "fr.jsonl": 1,
    }
    shown = capsys.readouterr().out
    assert "3 of 4 rows became chats" in shown
    assert "mixed.jsonl:4" in shown


def test_the_command_says_when_nothing_could_be_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1}', encoding="utf-8")
    assert main(["import", str(tmp_path / "a.jsonl"), "--output", str(tmp_path / "out")]) == 1
    assert main(["import", str(tmp_path / "a.jsonl"), "--language", "Klingon"]) == 2
    assert "none of the forty" in capsys.readouterr().err

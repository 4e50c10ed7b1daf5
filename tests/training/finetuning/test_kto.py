"""The second stage: answers that were liked become likelier, those that were not less so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model.byte_tokenizer import byte_tokenizer
from model.conversation import build, system_prompt
from model.languages import LANGUAGES
from model.prompt import find_format
from tests.training.finetuning.conftest import chat, events, quick, weights
from training.chats import as_turns
from training.errors import DataError, MalformedRow
from training.finetuning.batches import PaddedBatches
from training.finetuning.errors import FinetuningError
from training.finetuning.examples import Example
from training.finetuning.rated import RatedExample, make_rated, read_rated
from training.finetuning.run_folder import RunFolder

Train = Callable[..., RunFolder]


def write_rated(path: Path, count: int = 12) -> Path:
    """Answers about one matter: liked in German, disliked in English."""
    rows = []
    for number in range(1, count + 1):
        liked = number % 2 == 0
        row = chat(number, "de" if liked else "en", lookup=False, turns=2).model_dump(mode="json")
        row["messages"][1]["content"] = "Der Wal sang leise." if liked else "The whale sang softly."
        rows.append({**row, "rating": 1 if liked else -1})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_prompt_of_a_rated_answer_is_that_of_serving(tmp_path: Path) -> None:
    tokens, (row, *_) = byte_tokenizer(), read_rated(write_rated(tmp_path / "rated.jsonl"))
    examples, counts = make_rated([row, row.model_copy(update={"rating": 1})], quick(), tokens)
    messages = build(system_prompt(LANGUAGES["en"]), as_turns(row))
    assert examples[0].prompt == find_format("llama3").render(messages[:-1], tokens)
    assert tokens.decode(examples[0].answer) == "The whale sang softly.<|eot_id|>"
    assert [each.liked for each in examples] == [False, True]
    assert (counts.examples, counts.split, counts.cut, counts.dropped) == (2, 0, 0, 0)


def test_of_a_chat_that_is_too_long_the_oldest_turns_are_left_out(tmp_path: Path) -> None:
    tokens = byte_tokenizer()
    long = {**chat(1, turns=6).model_dump(mode="json"), "rating": 1}
    (tmp_path / "rated.jsonl").write_text(json.dumps(long) + "\n" + json.dumps({**long, "rating": -1}) + "\n")
    rows = read_rated(tmp_path / "rated.jsonl")
    whole = make_rated(rows, quick(), tokens)[0][0]
    recipe = quick(f"max_length={len(whole.prompt) + len(whole.answer) - 1}")
    (shorter, _), counts = make_rated(rows, recipe, tokens)
    text = tokens.decode(shorter.prompt)
    assert "Question 0 of 1?" not in text
    assert "A whale, 1." in text
    assert shorter.answer == whole.answer
    assert counts.split == 2


def test_a_rating_is_one_of_two(tmp_path: Path) -> None:
    (tmp_path / "rated.jsonl").write_text(json.dumps({**chat().model_dump(mode="json"), "rating": 5}) + "\n")
    with pytest.raises(MalformedRow, match="rating"):
        read_rated(tmp_path / "rated.jsonl")


def test_rows_may_have_any_line_end_in_their_text(tmp_path: Path) -> None:
    path = write_rated(tmp_path / "rated.jsonl")
    first, rest = path.read_text(encoding="utf-8").split("\n", 1)
    row = json.loads(first)
    row["messages"][0]["content"] = "One\u2028two\x85three"
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n" + rest, encoding="utf-8")
    assert read_rated(path)[0].messages[0].content == "One\u2028two\x85three"
    path.write_bytes(b"\xff\n")
    with pytest.raises(DataError, match="not UTF-8"):
        read_rated(path)


def test_only_liked_answers_are_not_enough(tmp_path: Path) -> None:
    rows = [row for row in read_rated(write_rated(tmp_path / "rated.jsonl")) if row.rating == 1]
    with pytest.raises(DataError, match="liked"):
        make_rated(rows, quick(), byte_tokenizer())


def test_it_needs_rated_answers_and_an_adapter(train: Train) -> None:
    with pytest.raises(FinetuningError, match="--rated"):
        train(method="kto")
    with pytest.raises(FinetuningError, match="for --method kto"):
        train(rated=Path("rated.jsonl"))


def likelihoods(model: Any, rows: list[RatedExample]) -> torch.Tensor:
    """Of each answer, in nats."""
    found = []
    for row in rows:
        ids, learn = row.prompt + row.answer, [False] * len(row.prompt) + [True] * len(row.answer)
        example = Example("", "en", ids, learn, [False] * len(ids))
        batch = PaddedBatches([example], 0)([{"rows": [0]}])
        with torch.no_grad():
            found.append(-float(model(**batch, learnt_losses=True).sum()))
    return torch.tensor(found)


@pytest.mark.long
def test_what_was_liked_becomes_likelier_and_a_run_goes_on_to_the_same_end(
    train: Train, tmp_path: Path
) -> None:
    from training.finetuning.base import load_trainee
    from training.finetuning.head import add_loss

    first = train(quick("epochs=1"))
    rated = write_rated(tmp_path / "rated.jsonl")
    recipe = quick(
        "kto.learning_rate=0.01", "kto.rows=4", "kto.accumulate=1", "kto.epochs=2", "checkpoint_every=4"
    )
    run = train(recipe, method="kto", rated=rated, adapter=first.adapter)
    steps = events(run, "step")
    assert len(steps) == 6
    assert steps[-1]["margin"] > steps[0]["margin"] + 0.5
    rows, _ = make_rated(read_rated(rated), recipe, byte_tokenizer())
    before, after = (
        load_trainee(recipe.model_copy(update={"packing": None}), "transformers", adapter=each.adapter)
        for each in (first, run)
    )
    gain = torch.zeros(len(rows))
    for trainee, sign in ((before, -1), (after, 1)):
        add_loss(trainee.model.get_base_model())
        gain += sign * likelihoods(trainee.model.eval(), rows)
    liked = torch.tensor([row.liked for row in rows])
    assert gain[liked].mean() > gain[~liked].mean() + 1
    assert run.read_manifest()["method"] == "kto"
    assert "KTO on rated answers" in (run.adapter / "README.md").read_text()

    whole = weights(run)
    shutil.rmtree(run.checkpoints / "step-000006")
    run.manifest.unlink()
    again = train(recipe, method="kto", rated=rated, adapter=first.adapter)
    assert [event["step"] for event in events(again, "resumed")] == [4]
    for name, tensor in weights(again).items():
        assert torch.equal(tensor, whole[name])

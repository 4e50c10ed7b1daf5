"""A small dataset of short chats, and runs of the tiny model on it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training.chats import Chat, write_chats
from training.finetuning.finetune import finetune
from training.finetuning.options import Options
from training.finetuning.recipe import Recipe, load_recipe
from training.finetuning.run_folder import RunFolder

QUICK = (
    "packing.tokens=1400",
    "learning_rate=0.03",
    "evaluate_every=4",
    "checkpoint_every=2",
    "accumulate=1",
    "epochs=2",
    "loss.negatives=40",
)


def chat(number: int = 1, language: str = "en", *, lookup: bool = True, turns: int = 4) -> Chat:
    """A chat of short messages, all of them different."""
    messages: list[dict[str, str]] = []
    for turn in range(0, turns, 2):
        tag = f"\n\n>>> Moby-Dick {number}\n>>> {language}" if lookup and turn == 0 else ""
        messages += [
            {"role": "user", "content": f"Question {turn} of {number}?"},
            {"role": "assistant", "content": f"The whale said {number * 7} to the sea, {turn}.{tag}"},
        ]
    note = {"title": "Moby-Dick", "text": f"A whale, {number}.", "source": "written"}
    return Chat.model_validate(
        {
            "id": f"{language}-{number:02}",
            "language": language,
            "property": f"Moby-Dick {number}",
            "task": "ideas",
            "messages": messages,
            "lookup": {"term": f"Moby-Dick {number}", "language": language} if lookup else None,
            "background": [note] if lookup else [],
        }
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve chats in four languages to train on, four to validate on."""
    return write_data(tmp_path / "data")


def write_data(folder: Path) -> Path:
    """Write that dataset."""
    languages = ("en", "de", "sv", "ko")
    chats = [chat(number, languages[number % 4], lookup=number % 5 > 0) for number in range(1, 17)]
    write_chats(folder / "splits" / "train.jsonl", chats[:12])
    write_chats(folder / "splits" / "validation.jsonl", chats[12:])
    return folder


@pytest.fixture
def train(data: Path, tmp_path: Path) -> Callable[..., RunFolder]:
    """Runs a recipe (the tiny one, made quick) on the small dataset, in this process."""

    def run(recipe: Recipe | None = None, **options: Any) -> RunFolder:
        defaults = {"data": data, "runs": tmp_path / "runs", "threads": 1, "quiet": True}
        return finetune(recipe or quick(), Options(**{**defaults, **options}))

    return run


def quick(*overrides: str) -> Recipe:
    """The tiny recipe with few steps."""
    return load_recipe("tiny", [*QUICK, *overrides])


def weights(run: RunFolder) -> dict[str, Any]:
    """The adapter's weights."""
    from safetensors.torch import load_file

    return load_file(run.adapter / "adapter_model.safetensors")


def events(run: RunFolder, kind: str) -> list[dict[str, Any]]:
    """The events of this kind."""
    lines = run.metrics.read_text(encoding="utf-8").splitlines()
    return [event for event in map(json.loads, lines) if event["event"] == kind]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the run that many tests look at has its data and its folder."""
    folder = tmp_path_factory.mktemp("trained")
    write_data(folder / "data")
    return folder


@pytest.fixture(scope="session")
def trained(home: Path) -> RunFolder:
    """One complete run for all that only look at it."""
    return again(home)


def again(home: Path, *overrides: str, **options: Any) -> RunFolder:
    """The same command once more, or a changed one."""
    return finetune(
        quick(*overrides), Options(data=home / "data", runs=home / "runs", threads=1, quiet=True, **options)
    )

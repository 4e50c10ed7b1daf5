"""The worker's benchmark runs: each way of generating, on a model that takes no time."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from model.loading import load
from model.serving import served_models
from tests.benchmarks.servers import model_folder, serve_options
from tests.benchmarks.worker import main
from tests.benchmarks.workload import Workload, plain_preset

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]
TINY = ["--preset", "tiny", "--tokens", "6", "--prompt-tokens", "40", "--rounds", "1"]
SHARING = ["--prefix-preset", "tiny", "--prefix-tokens", "200", "--prefix-pairs", "1"]


def test_every_way_but_the_peer_is_measured_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    file = tmp_path / "worker.json"
    # Starting `transformers serve` takes longer than all the rest.
    without = ["--without", "transformers-serve"]
    assert main([*TINY, *SHARING, *without, "--streams", "1", "2", "--json", str(file)]) == 0
    document = json.loads(file.read_text(encoding="utf-8"))
    measured = {(each["way"], each["streams"]): each for each in document["figures"]}
    alone = {("generate", 1), ("article", 1), ("article", 2)}
    assert set(measured) == alone | {("worker", 1), ("worker", 2), ("engine", 1), ("engine", 2)}
    # A random model may end an answer by itself where a stop token stops it, which is ours by HTTP only.
    assert all(each["tokens"] == 6 * each["streams"] for way, each in measured.items() if way[0] != "worker")
    assert all(each["tokens_per_second"]["median"] > 0 for each in measured.values())
    assert measured["article", 2]["reckoned"]
    assert document["sharing"]["prefix_tokens"] >= 200
    assert document["machine"]["threads"] >= 1
    printed = capsys.readouterr().out
    assert "engine to generate, one stream" in printed
    assert all(f"{way} " in printed for way in ("generate", "article", "article*", "worker", "engine"))


def test_transformers_serve_is_given_the_same_prompts_and_sizes(tmp_path: Path):
    from transformers import AutoTokenizer

    preset = plain_preset("tiny", tmp_path)
    loaded = load(preset, packed=False)
    served = served_models(loaded)[-1]
    work = Workload(preset, served.codec, prompt_tokens=50, tokens=6)
    folder = model_folder(preset, loaded.base, loaded.tokenizer, None, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    for chat in work.chats(3):
        message = [{"role": "user", "content": chat.text}]
        rendered = tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=True)
        assert tuple(rendered["input_ids"]) == chat.prompt
        assert 50 <= len(chat.prompt) < 60
    options = serve_options(served.engine.size, "float32")
    assert options[options.index("--cb-num-blocks") + 1] == "256"
    assert not any("cb-" in option for option in serve_options(served.engine.size, "float32", "own"))


def test_no_two_chats_share_a_beginning(tmp_path: Path):
    preset = plain_preset("tiny", tmp_path)
    codec = served_models(load(preset, packed=False))[-1].codec
    work = Workload(preset, codec, prompt_tokens=60, tokens=6)
    chats = [*work.chats(40), *work.answered_in(2).chats(40)]
    # The grain in which this preset shares prefixes is 16 tokens.
    assert len({chat.prompt[:16] for chat in chats}) == 80


def test_a_missed_or_unmeasured_target_is_the_exit_status(capsys: pytest.CaptureFixture[str]):
    bare = ["--streams", "1", "--without", "transformers-serve", "worker", "article", "--prefix-tokens", "0"]
    assert main([*TINY, *bare, "--require"]) == 1
    assert "not measured  worker at 16 streams" in capsys.readouterr().out


def test_a_shape_is_measured_with_each_kind_of_weights(capsys: pytest.CaptureFixture[str]):
    options = ["--gpu-shape", "tiny", "--streams", "1", "3", "--tokens", "6", "--prompt-tokens", "40"]
    kinds = ["bf16", *(["nf4"] if find_spec("bitsandbytes") else [])]
    assert main([*options, "--weights", *kinds]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document["weights"]) == kinds
    for report in document["weights"].values():
        assert [(each["way"], each["streams"], each["tokens"]) for each in report["ways"]] == [
            ("article", 1, 6),
            ("engine", 1, 6),
            ("engine", 3, 18),
        ]
        assert report["bytes"] > 0
        assert all(each["peak_memory"] > 0 for each in report["ways"])

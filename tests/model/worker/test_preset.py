"""Preset files: the shipped ones, and what is said about broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.engine.errors import CannotRun, PresetError
from model.engine.sizing import CacheShape, size_engine
from model.preset import EngineOptions, list_presets, load_preset
from model.prompt import FORMATS

GOOD = """
description: mine
base: {source: random, name: mine, tokenizer: bytes, prompt_format: llama3, shape: {hidden_size: 8}}
context_length: 512
memory: {ram: 1}
"""


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_presets_are_there_and_name_real_prompt_formats():
    presets = {preset.name: preset for preset in list_presets()}
    assert {"embedded", "llama3-8b", "llama3.1-8b", "llama3-tiny", "tiny", "fake"} == set(presets)
    for preset in presets.values():
        assert preset.base.prompt_format in {*FORMATS, "plain"}
        if preset.adapter:
            assert preset.adapter.prompt_format in FORMATS


def test_llama3_tiny_is_llama3_8b_with_other_sizes():
    big, small = load_preset("llama3-8b"), load_preset("llama3-tiny")
    assert small.base.quantisation == big.base.quantisation == "nf4"
    assert small.base.prompt_format == big.base.prompt_format
    assert small.base.shape["rope_parameters"] == big.base.shape["rope_parameters"]
    assert small.base.shape["vocab_size"] == 128_256
    assert small.base.shape["hidden_size"] < big.base.shape["hidden_size"]


def test_a_file_of_ones_own_is_read_and_named_after_itself(tmp_path: Path):
    preset = load_preset(write(tmp_path, GOOD))
    assert preset.name == "mine"
    assert preset.context_length == 512


def test_a_preset_may_extend_another(tmp_path: Path):
    preset = load_preset(write(tmp_path, "extends: tiny\ncontext_length: 128\nengine: {slots: 2}\n"))
    assert preset.context_length == 128
    assert preset.engine.slots == 2
    assert preset.engine.block_size == load_preset("tiny").engine.block_size
    assert preset.name == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("context_length: 512", "context_length: lots"), "context_length: Input should be"),
        (GOOD + "contxt: 5\n", "contxt: Extra inputs are not permitted"),
        (GOOD.replace("source: random", "source: hub"), "base: Value error, source 'hub' needs a 'repo'"),
        (GOOD + "sampling: {temperature: 9}\n", "sampling.temperature"),
        (GOOD + "adapter: {name: a, prompt_format: llama3}\n", "give either 'repo' or 'path'"),
        ("- a list", "a preset is a mapping"),
        ("a: [", "not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "not valid YAML"),
        ("extends: mine", "extends itself"),
        ("extends: nobody", "cannot be read"),
    ],
)
def test_a_broken_preset_is_refused_with_the_field(tmp_path: Path, text: str, message: str):
    with pytest.raises(PresetError, match=r"mine\.yaml|nobody\.yaml") as refusal:
        load_preset(write(tmp_path, text))
    assert message in str(refusal.value)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(PresetError, match="There are: embedded, fake, llama3-8b"):
        load_preset("llama9")


def test_an_optional_adapter_is_used_as_soon_as_it_is_there(tmp_path: Path):
    (tmp_path / "presets").mkdir()
    text = GOOD + "adapter: {name: a, path: ../adapters/a, optional: true, prompt_format: gemma}\n"
    preset = load_preset(write(tmp_path / "presets", text))
    assert preset.active_adapter() is None
    (tmp_path / "adapters" / "a").mkdir(parents=True)
    (tmp_path / "adapters" / "a" / "adapter_config.json").write_text("{}", encoding="utf-8")
    assert preset.active_adapter() == preset.adapter


def shape_of_gemma() -> CacheShape:
    class Config:
        layer_types = ["sliding_attention"] * 15 + ["full_attention"] * 3
        num_hidden_layers = 18
        head_dim = 256
        num_key_value_heads = 1
        sliding_window = 512

    return CacheShape.of(Config(), 4)


def test_layers_are_grouped_by_what_they_see():
    assert shape_of_gemma() == CacheShape(
        full_groups=1, sliding_groups=5, window=512, bytes_per_page=2 * 3 * 256 * 4
    )


def test_the_cache_of_a_cpu_holds_a_whole_request_and_stays_within_its_share():
    size = size_engine(EngineOptions(), shape_of_gemma(), 4096, on_gpu=False, free_memory=16 * 2**30)
    assert size.slots == 16
    assert size.queue_limit == 64
    assert size.num_blocks >= shape_of_gemma().blocks(4096, size.block_size)
    assert size.num_blocks * size.block_size * shape_of_gemma().bytes_per_page <= 4 * 2**30


def test_a_cache_too_small_for_one_request_is_refused():
    with pytest.raises(CannotRun, match="context_length"):
        size_engine(EngineOptions(num_blocks=8), shape_of_gemma(), 4096, on_gpu=False, free_memory=2**34)
    with pytest.raises(CannotRun, match="free memory"):
        size_engine(EngineOptions(), shape_of_gemma(), 4096, on_gpu=False, free_memory=2**20)


def test_on_a_gpu_the_cache_is_left_to_be_measured():
    size = size_engine(EngineOptions(), shape_of_gemma(), 4096, on_gpu=True, free_memory=0)
    assert (size.num_blocks, size.max_batch_tokens, size.slots) == (None, None, 64)


def test_engines_of_a_gpu_get_the_same_however_many_have_started_before():
    free = 20 * 2**30
    size = size_engine(EngineOptions(), shape_of_gemma(), 4096, on_gpu=True, free_memory=free, engines=4)
    assert size.gpu_memory == free // 5
    for started in range(4):
        left = free - started * size.gpu_memory
        assert size.memory_percent(lambda: left) * left == pytest.approx(size.gpu_memory)  # noqa: B023
    assert size.memory_percent(lambda: 2**30) == 0.95
    on_cpu = size_engine(
        EngineOptions(max_memory_percent=0.5), shape_of_gemma(), 4096, on_gpu=False, free_memory=free
    )
    assert on_cpu.memory_percent(lambda: 0) == 0.5

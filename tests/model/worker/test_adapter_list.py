"""The adapters that lie in their folder, as `python -m model models` lists them."""

from __future__ import annotations

import json
from pathlib import Path

from model.adapter_list import list_adapters
from model.preset import list_presets


def adapter(folder: Path, **config) -> None:
    folder.mkdir(parents=True)
    fields = {"peft_type": "LORA", "r": 64} | config
    (folder / "adapter_config.json").write_text(json.dumps(fields))
    (folder / "adapter_model.safetensors").touch()


def test_each_is_listed_with_the_presets_that_its_files_say_it_goes_with(tmp_path: Path):
    adapter(tmp_path / "a", base_model_name_or_path="meta-llama/Meta-Llama-3-8B-Instruct")
    adapter(tmp_path / "runs" / "b", base_model_name_or_path="google/gemma-3-270m", r=16)
    adapter(tmp_path / "runs" / "b" / "checkpoint-100")
    adapter(tmp_path / "wide", base_model_name_or_path="google/gemma-3-270m", r=128)
    adapter(tmp_path / "silent")
    (tmp_path / "runs" / "b" / "fanfabler.json").write_text('{"prompt_format": "gemma"}')
    listed = {found.path: found for found in list_adapters(tmp_path, list_presets())}
    assert list(listed) == ["a", "runs/b", "silent", "wide"]
    assert listed["a"].presets == ("llama3-8b",)
    assert (listed["runs/b"].presets, listed["runs/b"].rank) == (("embedded",), 16)
    assert listed["runs/b"].prompt_format == "gemma"
    assert listed["wide"].presets == listed["silent"].presets == ()
    assert listed["silent"].base == "not said"


def test_what_is_broken_is_listed_with_the_reason(tmp_path: Path):
    adapter(tmp_path / "odd", peft_type="IA3")
    [odd] = list_adapters(tmp_path, list_presets())
    assert odd.fault == "odd: The adapter's peft_type is IA3; LORA is served."
    assert odd.presets == ()


def test_where_there_is_no_folder_there_are_no_adapters(tmp_path: Path):
    assert list_adapters(tmp_path / "nowhere", list_presets()) == []

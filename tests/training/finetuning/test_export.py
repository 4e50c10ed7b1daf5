"""Exports: each form gives the adapter's held-out loss, or is not kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from model.adapter_folder import read
from model.preset import load_preset
from training.__main__ import main
from training.finetuning.errors import ExportError, NoSuchRun, RunError
from training.finetuning.export import Options, export, find_converter
from training.finetuning.licences import licence_of
from training.finetuning.run_folder import RunFolder
from training.finetuning.source import TrainedAdapter, find_adapter

CONVERTER = '''
"""As much of llama.cpp's converter as a small Llama needs."""
import json, sys
from pathlib import Path

import gguf
from safetensors.torch import load_file

model, outfile = Path(sys.argv[1]), sys.argv[3]
config = json.loads((model / "config.json").read_text())
heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
writer = gguf.GGUFWriter(outfile, "llama")
writer.add_context_length(config["max_position_embeddings"])
writer.add_block_count(config["num_hidden_layers"])
writer.add_embedding_length(config["hidden_size"])
writer.add_feed_forward_length(config["intermediate_size"])
writer.add_head_count(heads)
writer.add_head_count_kv(kv_heads)
writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
writer.add_vocab_size(config["vocab_size"])
names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
for name, tensor in load_file(model / "model.safetensors").items():
    weights = tensor.float().numpy()
    for layer, count in (("q_proj", heads), ("k_proj", kv_heads)):
        if layer in name:  # pairs of dimensions that turn together lie side by side there
            halves = weights.reshape(count, 2, weights.shape[0] // count // 2, -1)
            weights = halves.swapaxes(1, 2).reshape(weights.shape)
    if name == "lm_head.weight":
        weights = weights * OUTPUT
    writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), weights)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
'''


def stand_in(folder: Path, output: float) -> Path:
    """A folder with a converter in the place of llama.cpp's, which multiplies the output layer by this."""
    folder.mkdir()
    (folder / "convert_hf_to_gguf.py").write_text(CONVERTER.replace("OUTPUT", str(output)))
    return folder


@pytest.fixture
def source(trained: RunFolder) -> TrainedAdapter:
    return find_adapter(trained.name, trained.path.parent)


def test_a_run_is_found_by_its_name_and_by_its_adapters_folder(
    trained: RunFolder, source: TrainedAdapter
) -> None:
    assert source.folder == trained.adapter
    assert find_adapter(trained.adapter, Path("nowhere")) == source


def test_a_run_that_is_not_there_or_not_complete_is_told_apart(trained: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(NoSuchRun, match="is no run"):
        find_adapter("dream", tmp_path)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "run.json").write_bytes((trained.path / "run.json").read_bytes())
    with pytest.raises(NoSuchRun, match="not complete"):
        find_adapter("half", tmp_path)


def test_an_adapter_of_somebody_else_does_not_say_how_it_was_trained(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(RunError, match=r"manifest\.json"):
        find_adapter(tmp_path, tmp_path)


def test_the_adapter_by_itself_is_the_same_adapter(
    source: TrainedAdapter, home: Path, tmp_path: Path
) -> None:
    done = export(source, "adapter", Options(tmp_path / "out", data=home / "data"))
    assert done.before == done.after
    assert read(done.path).lora == read(source.folder).lora
    assert (done.path / "README.md").is_file()


def test_merged_it_is_a_whole_model_of_16_bits_that_writes_the_same(
    source: TrainedAdapter, home: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    done = export(source, "merged", Options(tmp_path / "out", data=home / "data"))
    assert done.after == pytest.approx(done.before, abs=0.02)
    model = AutoModelForCausalLM.from_pretrained(done.path)
    assert model.dtype == torch.bfloat16
    assert not any("lora" in name for name, _ in model.named_parameters())
    assert len(AutoTokenizer.from_pretrained(done.path)) == 267
    assert (done.path / "chat_template.jinja").read_text() == (
        source.folder / "chat_template.jinja"
    ).read_text()
    notice = (done.path / "NOTICE").read_text()
    assert "base model of this model" in notice
    assert notice != (source.folder / "NOTICE").read_text()


def test_what_does_not_give_the_adapters_loss_is_not_kept(
    source: TrainedAdapter, home: Path, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="it was not kept"):
        export(source, "merged", Options(tmp_path / "out", data=home / "data", tolerance=0))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(source: TrainedAdapter, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="exists"):
        export(source, "adapter", Options(tmp_path))


def test_without_llama_cpp_the_remedy_is_said(
    trained: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    arguments = ["export", str(trained.adapter), "--to", "gguf", "--out", str(tmp_path / "model.gguf")]
    assert main(arguments) == 2
    assert "git clone https://github.com/ggml-org/llama.cpp" in capsys.readouterr().err
    with pytest.raises(ExportError, match=r"has no convert_hf_to_gguf\.py"):
        find_converter(tmp_path)


def test_a_converter_that_fails_is_quoted(source: TrainedAdapter, home: Path, tmp_path: Path) -> None:
    (tmp_path / "convert_hf_to_gguf.py").write_text("raise SystemExit('this model is too strange')")
    with pytest.raises(ExportError, match="this model is too strange"):
        export(source, "gguf", Options(tmp_path / "m.gguf", data=home / "data", llama_cpp=tmp_path))
    assert not (tmp_path / "m.gguf").exists()


def test_a_gguf_is_weighed_and_lies_beside_its_terms(
    source: TrainedAdapter, home: Path, tmp_path: Path
) -> None:
    shutil.copytree(source.folder, tmp_path / "adapter")
    (tmp_path / "adapter" / "LICENSE.txt").write_text("The whole text.")
    converter = stand_in(tmp_path / "llama.cpp", 1)
    done = export(
        find_adapter(tmp_path / "adapter", tmp_path),
        "gguf",
        Options(tmp_path / "out" / "m.gguf", data=home / "data", llama_cpp=converter),
    )
    assert done.path.read_bytes()[:4] == b"GGUF"
    assert done.after == pytest.approx(done.before, abs=0.02)
    assert {path.name for path in done.path.parent.iterdir()} == {
        "m.gguf",
        "m.gguf.NOTICE",
        "m.gguf.LICENSE.txt",
    }
    assert "base model of this model" in Path(f"{done.path}.NOTICE").read_text()


def test_a_gguf_that_says_something_else_is_not_kept(
    source: TrainedAdapter, home: Path, tmp_path: Path
) -> None:
    converter = stand_in(tmp_path / "llama.cpp", 0.5)
    with pytest.raises(ExportError, match="it was not kept"):
        export(source, "gguf", Options(tmp_path / "out" / "m.gguf", data=home / "data", llama_cpp=converter))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("preset", "adapter", "model"),
    [
        ("embedded", "This adapter is a Model Derivative", "This model is a Model Derivative"),
        ("llama3-8b", "This adapter is a derivative of Meta Llama 3", "This model is a derivative of"),
        ("llama3.1-8b", "This adapter is a derivative of Llama 3.1", "This model is a derivative of"),
    ],
)
def test_the_notice_says_whether_the_weights_were_changed(preset: str, adapter: str, model: str) -> None:
    licence = licence_of(load_preset(preset).base)
    assert adapter in licence.notice()
    assert "weights were not changed" in licence.notice()
    assert model in licence.notice(merged=True)
    assert "weights were changed" in licence.notice(merged=True)
    assert "adapter" not in licence.notice(merged=True)


@pytest.mark.skipif(
    "LLAMA_CPP" not in os.environ or find_spec("sentencepiece") is None,
    reason="llama.cpp's converter is not here (LLAMA_CPP, and pip install sentencepiece)",
)
def test_as_gguf_it_is_one_file_that_writes_the_same(
    train: Callable[..., RunFolder], data: Path, tmp_path: Path
) -> None:
    from training.finetuning.recipe import load_recipe

    run = train(
        load_recipe("llama3-tiny", ["epochs=1", "packing.tokens=1100", "learning_rate=0.01"]), limit=6
    )
    done = export(find_adapter(run.adapter, tmp_path), "gguf", Options(tmp_path / "m.gguf", data=data))
    assert done.path.read_bytes()[:4] == b"GGUF"
    assert done.after == pytest.approx(done.before, abs=0.05)

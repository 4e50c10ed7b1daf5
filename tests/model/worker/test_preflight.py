"""What is said before anything is loaded where a machine cannot run a preset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model import preflight
from model.engine.errors import CannotRun
from model.machine import GIB, Machine
from model.preset import Preset, load_preset

GPU = Machine(ram=64 * GIB, free_ram=60 * GIB, gpu="NVIDIA L4", gpu_memory=22 * GIB, torch_has_cuda=True)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    def become(**change) -> None:
        monkeypatch.setattr(preflight, "this_machine", lambda: replace(GPU, **change))

    become()
    return become


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"gpu": None}, "needs a GPU of 9 GiB and this machine has none: use --preset embedded"),
        ({"torch_has_cuda": False}, "install torch's CUDA build"),
        ({"gpu_memory": 6 * GIB}, "needs 9 GiB of GPU memory and the NVIDIA L4 has 6"),
        ({"free_ram": 2 * GIB}, "needs 8 GiB of memory and 2.0 are free"),
    ],
)
def test_one_sentence_says_what_is_missing_and_what_to_do(machine, change: dict, sentence: str):
    machine(**change)
    with pytest.raises(CannotRun, match=sentence.replace(".", r"\.")) as refusal:
        preflight.check(load_preset("llama3-8b"))
    assert str(refusal.value).count(".\n") == 0


def test_missing_packages_are_named_with_the_extra_that_has_them(machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(preflight, "installed", lambda module: module != "bitsandbytes")
    with pytest.raises(CannotRun, match=r"pip install 'fanfabler\[gpu\]'"):
        preflight.check(load_preset("llama3-tiny"))


def test_weights_that_are_not_here_and_cannot_be_had_are_said_so(machine, monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CannotRun, match=r"unsloth/llama-3-8b.*is not on this machine.*HF_HUB_OFFLINE"):
        preflight.check(load_preset("llama3-8b"))


def test_a_gated_repository_is_said_so(machine, monkeypatch: pytest.MonkeyPatch):
    import huggingface_hub
    from huggingface_hub.errors import RepositoryNotFoundError
    from requests import Response

    def refuse(*_, **__):
        raise RepositoryNotFoundError("401", response=Response())

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    with pytest.raises(CannotRun, match="is gated: accept its licence"):
        preflight.check(load_preset("llama3.1-8b"))


def test_random_weights_need_no_download(machine):
    preflight.check(load_preset("llama3-8b"), random_weights=True)


def test_an_adapter_in_another_form_than_safetensors_is_refused(machine, tmp_path: Path):
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    fields = load_preset("tiny").model_dump() | {
        "adapter": {"name": "a", "path": tmp_path, "prompt_format": "llama3"}
    }
    with pytest.raises(CannotRun, match=r"no adapter_model\.safetensors"):
        preflight.check(Preset.model_validate(fields))


def test_a_path_that_is_no_model_is_refused(machine, tmp_path: Path):
    with pytest.raises(CannotRun, match="neither a GGUF file nor a Hugging Face folder"):
        preflight.check(load_preset("embedded"), embedded_source=tmp_path / "nothing.gguf")

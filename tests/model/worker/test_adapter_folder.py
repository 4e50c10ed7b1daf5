"""Which adapters are believed: where they may lie, what they may be, and for which base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.adapter_folder import CONFIG, METADATA, TEMPLATE, WEIGHTS, AdapterOptions, locate, read, same_base
from model.engine.errors import AdapterNotFound, AdapterRefused
from model.lora import put_in_place, read_lora, take_out
from model.prompt import chat_template
from model.serving import ModelHost
from tests.model.worker.models import loaded, make_adapter, reference

LAYER = "base_model.model.model.layers.0.self_attn.q_proj"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(tmp_path_factory.mktemp("adapters") / "good", loaded("tiny"), rank=8, seed=1)


@pytest.fixture
def adapter(good: Path, tmp_path: Path) -> Path:
    """A good adapter, to be spoilt."""
    return Path(shutil.copytree(good, tmp_path / "adapter"))


def configure(folder: Path, **changes) -> None:
    config = json.loads((folder / CONFIG).read_text()) | changes
    (folder / CONFIG).write_text(json.dumps(config))


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def test_a_path_is_taken_relative_to_the_folder_or_whole(adapter: Path):
    assert locate("a", "adapter", adapter.parent) == adapter.resolve()
    assert locate("a", str(adapter), adapter.parent) == adapter.resolve()


@pytest.mark.parametrize("path", ["../good", "/", ".", "adapter/../..", "\0"])
def test_what_lies_elsewhere_is_refused(adapter: Path, path: str):
    with pytest.raises(AdapterRefused) as refusal:
        locate("a", path, adapter.parent)
    assert not isinstance(refusal.value, AdapterNotFound)


def test_links_are_followed_before_it_is_decided(adapter: Path, good: Path):
    (adapter.parent / "link").symlink_to(good)
    with pytest.raises(AdapterRefused, match="not below the folder"):
        locate("a", "link", adapter.parent)
    (adapter / WEIGHTS).unlink()
    (adapter / WEIGHTS).symlink_to(good / WEIGHTS)
    with pytest.raises(AdapterRefused, match="is a link to elsewhere"):
        locate("a", "adapter", adapter.parent)
    (adapter.parent / "within").symlink_to(adapter.parent / "adapter")
    (adapter / WEIGHTS).unlink()
    assert locate("a", "within", adapter.parent) == adapter.resolve()


@pytest.mark.parametrize("path", ["empty", "nothing", "a" * 5000])
def test_an_empty_folder_is_not_found(path: str, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(AdapterNotFound, match=f"Loading lora a failed: No adapter found for {path}"):
        locate("a", path, tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"peft_type": "IA3"}, "peft_type is IA3"),
        ({"peft_type": None}, "peft_type is nothing"),
        ({"use_dora": True}, "'use_dora'"),
        ({"modules_to_save": ["lm_head"]}, "'modules_to_save'"),
        ({"lora_bias": True}, "'lora_bias'"),
        ({"bias": "all"}, "biases"),
        ({"layer_replication": [[0, 2]]}, "'layer_replication'"),
        ({"of_the_future": {"twist": 1}}, "'of_the_future'"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base model"),
        ({"r": 0}, "is not valid"),
        ({"r": "8"}, "is not valid"),
        ({"rank_pattern": {"(a+)+$": 4}}, "is not served"),
        ({"target_modules": 7}, "target_modules is neither"),
    ],
)
def test_other_things_than_plain_lora_are_refused_by_name(adapter: Path, change: dict, reason: str):
    configure(adapter, **change)
    with pytest.raises(AdapterRefused) as refusal:
        read(adapter)
    assert reason in str(refusal.value)


@pytest.mark.parametrize("text", ["{nope", "[1]", "\xff", "[" * 100_000])
def test_a_broken_configuration_is_refused(adapter: Path, text: str):
    (adapter / CONFIG).write_bytes(text.encode("latin-1"))
    with pytest.raises(AdapterRefused, match=r"adapter_config\.json"):
        read(adapter)


def test_pickles_are_refused_unopened(adapter: Path):
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    with pytest.raises(AdapterRefused, match="a pickle, which could run code; only safetensors"):
        read(adapter)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.pop(f"{LAYER}.lora_B.weight"), "has only lora_A for model.layers.0.self_attn.q_proj"),
        (
            lambda t: [t.pop(f"{LAYER}.lora_{half}.weight") for half in "AB"],
            "no weights for model.layers.0.self_attn",
        ),
        (lambda t: t.update({f"{LAYER}.lora_A.weight": torch.ones(4, 64)}), "have the shapes [4, 64]"),
        (
            lambda t: t.update({f"{LAYER}.lora_B.weight": torch.ones(96, 8)}),
            "and rank 8 need [8, 64] and [64, 8]",
        ),
        (lambda t: t[f"{LAYER}.lora_A.weight"].fill_(float("nan")), "are not all finite"),
        (lambda t: t[f"{LAYER}.lora_B.weight"].fill_(float("inf")), "are not all finite"),
        (lambda t: t.update({f"{LAYER}.lora_A.weight": torch.ones(8, 64, dtype=torch.int8)}), "torch.int8"),
        (lambda t: t.update({"model.norm.weight": torch.ones(64)}), "no weight of plain LoRA"),
        (
            lambda t: t.update(
                {f"base_model.model.h.0.c_attn.lora_{half}.weight": torch.ones(8, 8) for half in "AB"}
            ),
            "for a module h.0.c_attn, and this base has no such",
        ),
        (lambda t: t.clear(), "holds no weights"),
    ],
)
def test_weights_that_do_not_fit_are_refused_with_the_place(adapter: Path, change, reason: str):
    rewrite(adapter, change)
    with pytest.raises(AdapterRefused) as refusal:
        read_lora(read(adapter), loaded("tiny").base, highest_rank=64)
    assert reason in str(refusal.value)


def test_a_target_that_the_base_does_not_have_is_refused(adapter: Path):
    configure(adapter, target_modules=["q_proj", "c_attn"])
    with pytest.raises(AdapterRefused, match="'c_attn', and this base has no such linear layer"):
        read_lora(read(adapter), loaded("tiny").base, highest_rank=64)


def test_a_rank_above_the_presets_is_refused(adapter: Path):
    with pytest.raises(AdapterRefused, match=r"rank is 8, and this preset takes up to 4 \(max_lora_rank\)"):
        read_lora(read(adapter), loaded("tiny").base, highest_rank=4)
    configure(adapter, rank_pattern={"q_proj": 80})
    with pytest.raises(AdapterRefused, match="rank is 80"):
        read_lora(read(adapter), loaded("tiny").base, highest_rank=64)


@pytest.mark.parametrize("content", [b"", b"not safetensors", b"\xff" * 64])
def test_a_broken_weights_file_is_refused(adapter: Path, content: bytes):
    (adapter / WEIGHTS).write_bytes(content)
    with pytest.raises(AdapterRefused, match="is broken"):
        read_lora(read(adapter), loaded("tiny").base, highest_rank=64)


def test_a_file_larger_than_any_adapter_is_not_read(adapter: Path):
    with (adapter / WEIGHTS).open("wb") as file:
        file.truncate(2**36)
    with pytest.raises(AdapterRefused, match="larger than any adapter of rank 64"):
        read_lora(read(adapter), loaded("tiny").base, highest_rank=64)


def test_an_adapter_for_part_of_the_layers_is_fine_where_it_says_so(adapter: Path):
    rewrite(adapter, lambda t: [t.pop(key) for key in list(t) if ".layers.0." in key])
    with pytest.raises(AdapterRefused, match=r"has no weights for model\.layers\.0"):
        read_lora(read(adapter), loaded("tiny").base, highest_rank=64)
    configure(adapter, layers_to_transform=[1, 2])
    assert len(read_lora(read(adapter), loaded("tiny").base, highest_rank=64).weights) == 14


def test_it_answers_as_peft_would_have_it_whatever_its_scaling(adapter: Path):
    from peft import PeftModel

    from model.lora import shared_copy

    base = loaded("tiny").base
    for change in (
        {},
        {"use_rslora": True, "lora_alpha": 3},
        {"alpha_pattern": {"q_proj": 1, "layers.1.mlp.up_proj": 31}},
    ):
        configure(adapter, **change)
        mine = put_in_place(base, read_lora(read(adapter), base, highest_rank=64))
        theirs = PeftModel.from_pretrained(shared_copy(base), str(adapter)).eval()
        assert reference(mine, [5, 6, 7]) == reference(theirs, [5, 6, 7]) != reference(base, [5, 6, 7])
        tokens = torch.tensor([[1, 2, 3]])
        assert torch.equal(mine(tokens).logits, theirs(tokens).logits)


def test_what_is_taken_out_can_be_put_in_place_again(adapter: Path):
    base = loaded("tiny").base
    adapted = put_in_place(base, read_lora(read(adapter), base, highest_rank=64))
    again = put_in_place(base, take_out(adapted, read(adapter).lora))
    tokens = torch.tensor([[1, 2, 3]])
    assert torch.equal(adapted(tokens).logits, again(tokens).logits)


def test_putting_it_in_place_leaves_the_base_as_it_was(adapter: Path):
    base = loaded("tiny").base
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    put_in_place(base, read_lora(read(adapter), base, highest_rank=64))
    assert all(torch.equal(tensor, before[name]) for name, tensor in base.state_dict().items())
    assert not any("lora" in name for name, _ in base.named_modules())


@pytest.mark.parametrize(
    ("recorded", "same"),
    [
        ("unsloth/llama-3-8b-Instruct-bnb-4bit", True),
        ("meta-llama/Meta-Llama-3-8B-Instruct", True),
        ("unsloth/llama-3-8b-instruct-unsloth-bnb-4bit", True),
        ("/home/me/models/Meta-Llama-3-8B-Instruct/", True),
        ("/hub/models--meta-llama--Meta-Llama-3-8B-Instruct/snapshots/0123abcd", True),
        (None, True),
        ("meta-llama/Meta-Llama-3-8B", False),
        ("meta-llama/Meta-Llama-3.1-8B-Instruct", False),
        ("google/gemma-3-270m", False),
    ],
)
def test_one_base_goes_by_several_names(recorded: str | None, same: bool):
    assert same_base(recorded, "unsloth/llama-3-8b-Instruct-bnb-4bit", "llama-3-8b-instruct") is same


def test_an_adapter_of_another_base_is_refused_by_both_names(adapter: Path):
    configure(adapter, base_model_name_or_path="google/gemma-3-270m")
    host = ModelHost(lambda: loaded("tiny"), AdapterOptions(adapter.parent))
    with pytest.raises(AdapterRefused, match="was trained on google/gemma-3-270m, and the base here is tiny"):
        host.adapter("a", "adapter")


def test_the_folder_says_which_prompt_format_it_was_trained_with(adapter: Path):
    host = ModelHost(lambda: loaded("tiny"), AdapterOptions(adapter.parent))
    assert host.adapter("a", "adapter").codec.prompt_format == "llama3"
    (adapter / TEMPLATE).write_text(chat_template("llama3.1"))
    assert host.adapter("a", "adapter").codec.prompt_format == "llama3.1"
    (adapter / METADATA).write_text('{"prompt_format": "article"}')
    assert host.adapter("a", "adapter").codec.prompt_format == "article"


def test_a_prompt_format_that_nobody_knows_or_the_tokenizer_cannot_write_is_refused(adapter: Path):
    host = ModelHost(lambda: loaded("tiny"), AdapterOptions(adapter.parent))
    (adapter / METADATA).write_text('{"prompt_format": "alpaca"}')
    with pytest.raises(AdapterRefused, match="'alpaca'; there are llama3"):
        host.adapter("a", "adapter")
    (adapter / METADATA).write_text('{"prompt_format": "gemma"}')
    with pytest.raises(AdapterRefused, match="gemma does not go with this base"):
        host.adapter("a", "adapter")


def test_a_foreign_template_is_told_of_and_not_used(adapter: Path, caplog: pytest.LogCaptureFixture):
    (adapter / TEMPLATE).write_text("{{ messages }}")
    host = ModelHost(lambda: loaded("tiny"), AdapterOptions(adapter.parent))
    assert host.adapter("a", "adapter").codec.prompt_format == "llama3"
    assert "chat template of its own" in caplog.text

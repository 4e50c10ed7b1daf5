"""The way of the llama3-8b recipe, small: a 4-bit base, rank 64, the real tokenizer, and then the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from model.adapter_folder import AdapterOptions, read
from model.serving import ModelHost
from tests.model.worker.conftest import listening
from tests.model.worker.models import loaded, reference, with_adapter
from tests.training.finetuning.conftest import chat, events, weights, write_data
from training.chats import as_messages
from training.finetuning.finetune import finetune
from training.finetuning.options import Options
from training.finetuning.recipe import load_recipe
from training.finetuning.run_folder import RunFolder

SMALL = ("packing.tokens=1100", "evaluate_every=4", "checkpoint_every=4", "learning_rate=0.01", "epochs=3")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("llama3-tiny")
    write_data(folder / "data")
    recipe = load_recipe("llama3-tiny", [*SMALL, "gradient_checkpointing=true"])
    return finetune(recipe, Options(data=folder / "data", runs=folder, threads=1, quiet=True))


def test_it_trains_on_a_base_of_four_bits_with_rank_64(trained: RunFolder) -> None:
    assert "nf4" in trained.read_manifest()["base"]
    assert read(trained.adapter).lora.rank == 64
    moved = [tensor for name, tensor in weights(trained).items() if "lora_B" in name]
    assert len(moved) == 3 * 7
    assert all(tensor.abs().max() > 0 for tensor in moved)
    losses = [event["loss"] for event in events(trained, "step")]
    held_out = [event["loss"] for event in events(trained, "evaluation")]
    assert losses[-1] < losses[0] - 3
    assert held_out[-1] < held_out[0]


def test_checkpoints_keep_the_adapter_in_32_bits(trained: RunFolder) -> None:
    from safetensors.torch import load_file

    (path, *_) = sorted(trained.checkpoints.glob("step-*/adapter_model.safetensors"))
    assert {tensor.dtype for tensor in load_file(path).values()} == {torch.float32}


async def test_the_worker_serves_what_was_trained(trained: RunFolder, tmp_path: Path) -> None:
    asked: list[Any] = list(as_messages(chat(3, "ko"))[:2])
    host = ModelHost(
        lambda: loaded("llama3-tiny"), AdapterOptions(tmp_path, at_start={"ours": trained.adapter})
    )
    async with listening(host) as running:
        answers = {
            name: await running.client.chat.completions.create(
                model=name,
                messages=asked,
                temperature=0,
                max_tokens=10,
                extra_body={"repetition_penalty": 1.0},
            )
            for name in ("ours", "llama-3-tiny")
        }
    base = loaded("llama3-tiny")
    from model.prompt import find_format

    prompt = find_format("llama3").render(asked, base.tokenizer)
    expected = reference(with_adapter(base.base, trained.adapter), prompt, 10)
    text = base.tokenizer.decode(expected, skip_special_tokens=True)
    assert answers["ours"].choices[0].message.content == text
    assert answers["llama-3-tiny"].choices[0].message.content != text

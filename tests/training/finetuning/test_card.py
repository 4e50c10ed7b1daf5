"""The model card says what was trained, on what, and how it is used: no more than is known, and nothing untrue."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from model.preset import PRESETS, load_preset
from training.finetuning.card import model_card
from training.finetuning.licences import family_of, licence_of
from training.finetuning.recipe import load_recipe
from training.finetuning.run_folder import RunFolder

SHIPPED = PRESETS.parent / "adapters" / "embedded" / "manifest.json"


def card(manifest: dict[str, Any], *, template: bool = True) -> str:
    licence = licence_of(load_preset(manifest["recipe"]["preset"]).base)
    return model_card(manifest, licence, languages=manifest["languages"], template=template)


def rows(text: str) -> dict[str, str]:
    """The table of the training."""
    return dict(re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE))


@pytest.fixture
def shipped() -> dict[str, Any]:
    """The manifest of the adapter that ships."""
    manifest: dict[str, Any] = json.loads(SHIPPED.read_text(encoding="utf-8"))
    return manifest


def test_the_shipped_chats_are_known_by_their_hash(shipped: dict[str, Any], trained: RunFolder) -> None:
    about = ("The chats are FanFabler's, under CC BY-SA 4.0.", "no chat about the same works")
    assert [said in card(shipped) for said in about] == [True, True]
    other = trained.read_manifest()
    assert [said in card(other) for said in about] == [False, False]


def test_the_adapter_that_it_began_with_is_no_part_of_its_base(shipped: dict[str, Any]) -> None:
    told = rows(card(shipped))
    assert told["base"] == "gemma-3-270m (dequantised from 4 bits, bfloat16)"
    assert told["begun with"].startswith("the adapter whose weights have the hash `3996e6faa1e38efb`")
    assert "begun with" not in rows(card({**shipped, "base": "embedded gemma-3-270m (none, bfloat16)"}))


def test_the_embedded_weights_are_not_those_that_the_header_names(shipped: dict[str, Any]) -> None:
    said = "over those of google/gemma-3-270m themselves nothing was measured"
    assert said in card(shipped)
    llama = {**shipped, "base": "unsloth/llama-3-8b-Instruct (none, bfloat16)"}
    assert said not in card(llama)
    assert rows(card(llama))["base"] == "unsloth/llama-3-8b-Instruct (bfloat16)"


def test_a_base_from_the_hub_is_named_as_the_preset_names_it() -> None:
    """Not as the best known of its family."""
    larger = load_preset("embedded").base.model_copy(
        update={"source": "hub", "name": "gemma-3-1b", "repo": "google/gemma-3-1b-pt"}
    )
    assert licence_of(larger).hub_base == "google/gemma-3-1b-pt"
    assert licence_of(larger).card == family_of(larger) == "gemma"
    unknown = larger.model_copy(update={"name": "another", "repo": "somebody/another"})
    assert (licence_of(unknown).card, family_of(unknown)) == ("other", "another")


def test_of_kto_it_tells_what_kto_used(trained: RunFolder) -> None:
    recipe = load_recipe("tiny", ["kto.learning_rate=3e-6", "kto.epochs=2", "warmup_steps=20"])
    manifest = trained.read_manifest() | {
        "recipe": recipe.model_dump(mode="json"),
        "method": "kto",
        "data": "eeb4f2a661b588e5 0123456789abcdef",
        "step": 60,
        "steps": 60,
    }
    text = card(manifest)
    told = rows(text)
    assert told["learning rate"] == "3e-06, linear, 6 warm-up steps"
    assert told["epochs"] == "2"
    assert told["step of this adapter"] == "60 of 60, the last"
    assert told["data"].startswith("`0123456789abcdef` (a hash over the rated answers)")
    assert "The rated answers are the operator's own." in text
    assert "CC BY-SA" not in text
    assert "about the same works" not in text


def test_it_names_the_base_for_other_servers(shipped: dict[str, Any], trained: RunFolder) -> None:
    assert "`vllm serve google/gemma-3-270m --enable-lora" in card(shipped)
    nameless = card(trained.read_manifest())
    assert "`vllm serve BASE --enable-lora" in nameless
    assert "BASE where the base model does" in nameless
    assert "vllm" not in card(shipped, template=False)
    assert "chat_template" not in card(shipped, template=False)


def test_its_lines_for_peft_run(trained: RunFolder, tmp_path: Path) -> None:
    from model.loading import load

    loaded = load(load_preset("tiny"), packed=False)
    loaded.base.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    lines = re.search(r"```python\n(.+?)```", card(trained.read_manifest()), re.DOTALL)
    assert lines is not None
    code = lines[1].replace("BASE", str(tmp_path)).replace("FOLDER", str(trained.adapter))
    known: dict[str, Any] = {"messages": [{"role": "user", "content": "Go."}]}
    exec(code.replace("=400", "=4"), known)  # noqa: S102 - what the card shows
    assert known["answer"].shape[1] > known["prompt"]["input_ids"].shape[1]
    assert any("lora" in name for name, _ in known["model"].named_parameters())

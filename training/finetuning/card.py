"""The model card of an adapter: a README.md with the header that Hugging Face's hub reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from model.languages import LANGUAGES
from training.finetuning.console import duration
from training.finetuning.licences import BaseLicence
from training.finetuning.run_folder import BEGUN_WITH

EVALUATION = Path("evaluation", "report.md")
"""The report of `python -m training evaluate`, below the adapter's folder, where there is one."""

_LOCAL_LINK = re.compile(r"\]\((?![a-z]+:|#|/)")


def title_of(name: str, licence: BaseLicence) -> str:
    """The adapter's name, beginning as the base's licence wants it."""
    if licence.name_begins and not name.lower().startswith(licence.name_begins.lower()):
        return f"{licence.name_begins} FanFabler ({name})"
    return f"FanFabler ({name})" if not licence.name_begins else name


def model_card(
    manifest: Mapping[str, Any],
    licence: BaseLicence,
    *,
    languages: Sequence[str],
    template: bool,
    evaluation: str | None = None,
) -> str:
    """The card's text. `evaluation` is the Markdown report of `python -m training evaluate`, where there is one."""
    parts = [
        _header(licence, languages),
        f"# {title_of(manifest['name'], licence)}",
        _what(manifest, licence, languages),
        _how_to_use(manifest, template=template),
        _training(manifest),
        _evaluation(manifest, evaluation),
        _terms(licence),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _header(licence: BaseLicence, languages: Sequence[str]) -> str:
    fields: dict[str, Any] = {
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "license": licence.card,
    }
    if licence.card == "other":
        fields["license_name"] = licence.title
    elif licence.link:
        fields["license_link"] = licence.link
    if licence.hub_base:
        fields |= {"base_model": licence.hub_base, "base_model_relation": "adapter"}
    fields |= {
        "language": list(languages),
        "tags": ["lora", "fan-fiction", "multilingual", "creative-writing"],
    }
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, default_flow_style=None)}---"


def _what(manifest: Mapping[str, Any], licence: BaseLicence, languages: Sequence[str]) -> str:
    names = ", ".join(LANGUAGES[code].english_name for code in languages if code in LANGUAGES)
    shown = f" **{licence.shown}**." if licence.shown else ""
    base = str(manifest["base"]).partition(BEGUN_WITH)[0]
    return (
        f"A LoRA adapter for {base} that helps people write fan fiction in their own language. Where it "
        "wants a page of Wikipedia, it ends an answer with two lines, `>>> search term` and `>>> language code`."
        f"{shown}\n\nLanguages of the chats that it was trained on: {names}."
    )


def _how_to_use(manifest: Mapping[str, Any], *, template: bool) -> str:
    recipe = manifest["recipe"]
    lines = [
        "## Use",
        "",
        "With FanFabler's worker: put the folder below `ADAPTERS_DIR`, or name it in a preset's `adapter.path`,",
        f"then `python -m model serve --preset {recipe['preset']}`.",
        f"The prompt format is `{recipe['prompt_format']}` (`fanfabler.json`).",
    ]
    if template:
        lines.append(
            "\nWith vLLM: `vllm serve BASE --enable-lora --max-lora-rank "
            f"{_next_rank(recipe['lora']['rank'])} --lora-modules fanfabler=FOLDER --chat-template "
            "FOLDER/chat_template.jinja`."
        )
    return "\n".join(lines)


def _next_rank(rank: int) -> int:
    """vLLM knows these ranks."""
    return next((known for known in (8, 16, 32, 64, 128, 256, 320, 512) if known >= rank), rank)


def _training(manifest: Mapping[str, Any]) -> str:
    recipe, counts = manifest["recipe"], manifest["counts"]
    lora, loss = recipe["lora"], recipe["loss"]
    packing = recipe["packing"]
    rows = [
        ("method", {"sft": "supervised fine-tuning", "kto": "KTO on rated answers"}[manifest["method"]]),
        ("base", manifest["base"]),
        ("LoRA", f"rank {lora['rank']}, alpha {lora['alpha']:g}, dropout {lora['dropout']:g}"),
        ("layers", ", ".join(lora["targets"])),
        ("chats", f"{counts['chats']:,} ({counts['tokens']:,} tokens, {counts['learnt']:,} learnt)"),
        (
            "loss on",
            {"answers": "the assistant's answers and their end tokens", "all": "all tokens"}[loss["tokens"]],
        ),
        ("longest example", f"{recipe['max_length']:,} tokens"),
        ("packing", f"{packing['tokens']:,} tokens" if packing else "none"),
        (
            "learning rate",
            f"{recipe['learning_rate']:g}, {recipe['schedule']}, {recipe['warmup_steps']} warm-up steps",
        ),
        ("epochs", f"{recipe['epochs']:g}"),
        (
            "step of this adapter",
            f"{manifest['step']} of {manifest['steps']}, the best on the validation chats",
        ),
        ("seed", f"{recipe['seed']}, data {recipe['data_seed']}"),
        ("data", f"`{manifest['data']}` (a hash over the chats trained and validated on)"),
    ]
    if manifest.get("seconds"):
        rows.append(("time", duration(manifest["seconds"])))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return (
        "## Training\n\n| | |\n| --- | --- |\n"
        + table
        + "\n\nThe chats are FanFabler's, under CC BY-SA 4.0. "
        "`manifest.json` has the whole recipe, the versions of the packages and the machine.\n\n![Loss](loss.png)"
    )


def _evaluation(manifest: Mapping[str, Any], report: str | None) -> str:
    held_out = manifest["held_out"]
    said = (
        "## Evaluation\n\n"
        f"Held-out loss over {held_out['tokens']:,} tokens of answers in the validation chats: {held_out['loss']:.4f} "
        f"nats a token, perplexity {held_out['perplexity']:.2f}. Works that these chats are about were not trained on."
    )
    if report is None:
        return said
    # The report's own headings go two levels down, and its pictures lie beside it.
    deeper = re.sub(r"^#", "###", report, flags=re.MULTILINE)
    return f"{said}\n\n{_LOCAL_LINK.sub(f']({EVALUATION.parent}/', deeper)}"


def _terms(licence: BaseLicence) -> str:
    where = f" ({licence.link})" if licence.link else ""
    return (
        f"## Licence\n\nThat of the base model: {licence.title}{where}; [NOTICE](NOTICE) goes along with every copy. "
        "The model writes fiction and gets facts wrong; it is meant for stories suitable for teenagers."
    )

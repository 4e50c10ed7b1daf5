"""The model card of an adapter: a README.md with the header that Hugging Face's hub reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from model.languages import LANGUAGES
from training.errors import DataError
from training.finetuning.console import duration
from training.finetuning.data import read_data
from training.finetuning.licences import BaseLicence
from training.finetuning.run_folder import BEGUN_WITH

EVALUATION = Path("evaluation", "report.md")
"""The report of `python -m training evaluate`, below the adapter's folder, where there is one."""

_LOCAL_LINK = re.compile(r"\]\((?![a-z]+:|#|/)")
_BASE = re.compile(r"(?P<embedded>embedded )?(?P<name>.+) \((?P<quantisation>\w+), (?P<dtype>\w+)\)")
"""What `training.finetuning.base.describe` says of a base."""


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
    shipped = _on_shipped_chats(manifest)
    parts = [
        _header(licence, languages),
        f"# {title_of(manifest['name'], licence)}",
        _what(manifest, licence, languages),
        _how_to_use(manifest, licence, template=template),
        _training(manifest, licence, shipped=shipped),
        _evaluation(manifest, evaluation, shipped=shipped),
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
    return (
        f"A LoRA adapter for {_base_of(manifest)} that helps people write fan fiction in their own language. Where it "
        "wants a page of Wikipedia, it ends an answer with two lines, `>>> search term` and `>>> language code`."
        f"{shown}\n\nLanguages of the chats that it was trained on: {names}."
    )


def _on_shipped_chats(manifest: Mapping[str, Any]) -> bool:
    """Whether the data's hash is that of the shipped chats in these languages."""
    try:
        return read_data(None, frozenset(manifest.get("languages", ()))).digest == str(manifest["data"])
    except DataError:
        return False


def _base_of(manifest: Mapping[str, Any]) -> str:
    """Which weights the base had, in words."""
    told = str(manifest["base"]).partition(BEGUN_WITH)[0]
    if not (found := _BASE.fullmatch(told)):
        return told
    kind = {"none": "", "nf4": "in 4 bits (NF4), "}[found["quantisation"]]
    if found["embedded"]:
        kind = "dequantised from 4 bits, "
    dtype = "in the machine's own type" if found["dtype"] == "auto" else found["dtype"]
    return f"{found['name']} ({kind}{dtype})"


def _how_to_use(manifest: Mapping[str, Any], licence: BaseLicence, *, template: bool) -> str:
    recipe = manifest["recipe"]
    base = licence.hub_base or "BASE"
    worker = (
        "With FanFabler's worker: put the folder below `ADAPTERS_DIR`, or name it in a preset's `adapter.path`,\n"
        f"then `python -m model serve --preset {recipe['preset']}`.\n"
        f"The prompt format is `{recipe['prompt_format']}` (`fanfabler.json`)."
    )
    parts = ["## Use", worker]
    if template:
        parts.append(
            f"With vLLM: `vllm serve {base} --enable-lora --max-lora-rank {_next_rank(recipe['lora']['rank'])} "
            "--lora-modules fanfabler=FOLDER --chat-template FOLDER/chat_template.jinja`."
        )
    parts.append("\n".join(["With PEFT:\n", "```python", *_snippet(base, template=template), "```"]))
    told = "FOLDER is where these files lie" + (
        ", BASE where the base model does." if base == "BASE" else "."
    )
    if template:
        told += (
            " The first of the `messages` is the system prompt that it was trained with: "
            "`model.conversation.system_prompt` of FanFabler writes it."
        )
    return "\n\n".join([*parts, told])


def _snippet(base: str, *, template: bool) -> list[str]:
    """The adapter over its base, by PEFT; with a template, asked for an answer."""
    lines = [
        "from peft import PeftModel",
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        f'tokenizer = AutoTokenizer.from_pretrained("{base}")',
        f'model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base}"), "FOLDER")',
    ]
    if not template:
        return lines
    return [
        "from pathlib import Path",
        "",
        *lines,
        'tokenizer.chat_template = Path("FOLDER/chat_template.jinja").read_text(encoding="utf-8")',
        "prompt = tokenizer.apply_chat_template(",
        '    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True',
        ")",
        "answer = model.generate(**prompt, max_new_tokens=400)",
    ]


def _next_rank(rank: int) -> int:
    """vLLM knows these ranks."""
    return next((known for known in (8, 16, 32, 64, 128, 256, 320, 512) if known >= rank), rank)


def _training(manifest: Mapping[str, Any], licence: BaseLicence, *, shipped: bool) -> str:
    recipe, counts = manifest["recipe"], manifest["counts"]
    rated = manifest["method"] == "kto"
    lora, packing = recipe["lora"], recipe["packing"]
    base, _, begun_with = str(manifest["base"]).partition(BEGUN_WITH)
    beginning = (
        f"the adapter whose weights have the hash `{begun_with}`; they are contained in this one's, and what they "
        "took to train is not counted here"
    )
    rows = [
        ("method", "KTO on rated answers" if rated else "supervised fine-tuning"),
        ("base", _base_of(manifest)),
        *([("begun with", beginning)] if begun_with else []),
        ("LoRA", f"rank {lora['rank']}, alpha {lora['alpha']:g}, dropout {lora['dropout']:g}"),
        ("layers", ", ".join(lora["targets"])),
        (
            "rated answers" if rated else "chats",
            f"{counts['chats']:,} ({counts['tokens']:,} tokens, {counts['learnt']:,} learnt)",
        ),
        ("longest example", f"{recipe['max_length']:,} tokens"),
        ("packing", f"{packing['tokens']:,} tokens" if packing else "none"),
        *(_kto(manifest) if rated else _sft(manifest)),
        ("seed", f"{recipe['seed']}, data {recipe['data_seed']}"),
    ]
    if manifest.get("seconds"):
        rows.append(("time", duration(manifest["seconds"])))
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    said = ["`manifest.json` has the whole recipe, the versions of the packages and the machine."]
    if base.startswith("embedded "):
        said.insert(
            0,
            "The adapter was trained and measured over the dequantised weights of FanFabler's packaged Q4_K_M GGUF; "
            f"over those of {licence.hub_base} themselves nothing was measured.",
        )
    if rated:
        said.insert(0, "The rated answers are the operator's own.")
    if shipped:
        said.insert(0, "The chats are FanFabler's, under CC BY-SA 4.0.")
    return f"## Training\n\n| | |\n| --- | --- |\n{table}\n\n{' '.join(said)}\n\n![Loss](loss.png)"


def _sft(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    recipe = manifest["recipe"]
    learnt = {"answers": "the assistant's answers and their end tokens", "all": "all tokens"}
    rate = f"{recipe['learning_rate']:g}, {recipe['schedule']}, {recipe['warmup_steps']} warm-up steps"
    return [
        ("loss on", learnt[recipe["loss"]["tokens"]]),
        ("learning rate", rate),
        ("epochs", f"{recipe['epochs']:g}"),
        (
            "step of this adapter",
            f"{manifest['step']} of {manifest['steps']}, the best on the validation chats",
        ),
        ("data", f"`{manifest['data']}` (a hash over the chats trained and validated on)"),
    ]


def _kto(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    kto = manifest["recipe"]["kto"]
    weights = (
        f"{kto['desirable_weight']:g} for what was liked, {kto['undesirable_weight']:g} for what was not"
    )
    # As `training.finetuning.kto` cuts it.
    warmup = min(manifest["recipe"]["warmup_steps"], manifest["steps"] // 10)
    dataset, _, rated = manifest["data"].partition(" ")
    return [
        ("KTO", f"beta {kto['beta']:g}, weights {weights}"),
        ("learning rate", f"{kto['learning_rate']:g}, linear, {warmup} warm-up steps"),
        ("epochs", f"{kto['epochs']:g}"),
        ("step of this adapter", f"{manifest['step']} of {manifest['steps']}, the last"),
        ("data", f"`{rated}` (a hash over the rated answers), validated on chats of the dataset `{dataset}`"),
    ]


def _evaluation(manifest: Mapping[str, Any], report: str | None, *, shipped: bool) -> str:
    held_out = manifest["held_out"]
    said = (
        "## Evaluation\n\n"
        f"Held-out loss over {held_out['tokens']:,} tokens of answers in the validation chats: {held_out['loss']:.4f} "
        f"nats a token, perplexity {held_out['perplexity']:.2f}."
    )
    if shipped:
        said += " This run trained on no chat about the same works."
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

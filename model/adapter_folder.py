"""A LoRA adapter on disk, in PEFT's layout: where it may lie, what its files say, and which of them are believed.

    adapter_config.json         PEFT's settings
    adapter_model.safetensors   the weights; no other form is ever opened
    fanfabler.json              optional: {"prompt_format": "llama3"}, the name in `model.prompt.FORMATS` of the
                                format that it was trained with
    chat_template.jinja         optional: where the former is missing, a template equal to one of ours names it

Reads no weights and imports no torch; `model.lora` puts an adapter in place.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from model.engine.errors import AdapterNotFound, AdapterRefused
from model.prompt import FORMATS, TEMPLATES, chat_template

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
METADATA = "fanfabler.json"
TEMPLATE = "chat_template.jinja"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
"""What an adapter may be called."""

_LARGEST_TEXT = 1024 * 1024
_PICKLES = ("adapter_model.bin", "adapter_model.pt", "adapter_model.pth", "pytorch_model.bin")

# What these say is either in the weights as well, or of no consequence once training is over.
_WITHOUT_CONSEQUENCE = frozenset({
    *("alpha_pattern", "auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying"),
    *("eva_config", "exclude_modules", "fan_in_fan_out", "inference_mode", "init_lora_weights"),
    *("layers_pattern", "layers_to_transform", "loftq_config", "lora_alpha", "lora_dropout", "lora_ga_config"),
    *("megatron_config", "megatron_core", "peft_type", "peft_version", "qalora_group_size", "r"),
    *("rank_pattern", "revision", "runtime_config", "target_modules", "task_type", "unsloth_fixed"),
    "use_rslora",
})  # fmt: skip
# Where training begins otherwise (PiSSA, OLoRA, LoftQ, …) the base is changed, and the weights alone are not what
# was trained.
_STARTS = frozenset({"none", "true", "false", "gaussian", "eva", "orthogonal"})
# Patterns of module names are regular expressions to PEFT; with these characters none takes long.
_PATTERN = re.compile(r"[\w.^$|\\-]{1,256}")


def fingerprint(folder: Path) -> str:
    """Tells the weights of one adapter from another's: 16 hexadecimal digits. Raises `AdapterNotFound`."""
    if not (folder / WEIGHTS).is_file():
        raise AdapterNotFound(f"there is no {WEIGHTS} in {folder}")
    with (folder / WEIGHTS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class AdapterOptions:
    """Which adapters a worker serves, and which it may take in."""

    folder: Path = Path("adapters")
    """What the path in a request must lie below."""
    most: int = 2
    """Adapters at once."""
    at_start: Mapping[str, Path] = field(default_factory=dict)
    """Name → folder, which may lie anywhere; beside the preset's own."""


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """How the weights are applied: each product of B and A is scaled by alpha / rank (alpha / √rank with rsLoRA)."""

    rank: int
    alpha: float
    rslora: bool = False
    rank_pattern: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Ranks of modules that have another one, by PEFT's patterns of their names."""
    alpha_pattern: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def highest_rank(self) -> int:
        return max([self.rank, *self.rank_pattern.values()])


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """What a folder says of its adapter."""

    path: Path
    lora: LoraSettings
    target_modules: tuple[str, ...]
    """Names or ends of names of the modules that it was trained on; empty where a pattern gives them."""
    all_layers: bool
    """Whether it was trained on those modules in every layer."""
    base: str | None
    """The base model it was trained on, as its training named it."""
    prompt_format: str | None
    """A name in `model.prompt.FORMATS`; None where the folder does not say."""
    foreign_template: bool
    """Whether it comes with a chat template that is none of ours."""


def locate(name: str, path: str, below: Path) -> Path:
    """The folder of an adapter that somebody asks for by its path, absolute or relative to `below`.

    Raises `AdapterRefused` for what lies elsewhere once links and `..` are resolved, `AdapterNotFound` for nothing.
    """
    root = below.resolve()
    folder = root / path
    try:
        folder = folder.resolve()
        inside, there = folder.is_relative_to(root), (folder / CONFIG).is_file()
    except OSError:  # a name that no file can have
        inside, there = True, False
    except (ValueError, RuntimeError):  # a zero byte, a loop of links
        raise AdapterRefused(f"Loading lora {name} failed: {path!r} is no path of a folder.") from None
    if not inside or folder == root:
        raise AdapterRefused(
            f"Loading lora {name} failed: {path} is not below the folder that ADAPTERS_DIR names; adapters are "
            "loaded from there only."
        )
    if not there:
        raise AdapterNotFound(f"Loading lora {name} failed: No adapter found for {path}")
    for file in (CONFIG, WEIGHTS, METADATA, TEMPLATE):
        if not (folder / file).resolve().is_relative_to(root):
            raise AdapterRefused(f"Loading lora {name} failed: its {file} is a link to elsewhere.")
    return folder


def read(folder: Path) -> AdapterFolder:
    """What the folder says, its weights apart. Raises `AdapterRefused`, `AdapterNotFound`."""
    if not (folder / CONFIG).is_file():
        raise AdapterNotFound(f"There is no {CONFIG} in {folder}.")
    if not (folder / WEIGHTS).is_file():
        pickles = [name for name in _PICKLES if (folder / name).exists()]
        found = f"has {pickles[0]}, a pickle, which could run code" if pickles else f"has no {WEIGHTS}"
        raise AdapterRefused(f"The adapter {found}; only safetensors are loaded.")
    config = _read_object(folder / CONFIG)
    _check_features(config)
    targets = config.get("target_modules") or []
    if not isinstance(targets, (str, list)):
        raise AdapterRefused(f"{CONFIG} is not valid: target_modules is neither a list nor a pattern.")
    base = config.get("base_model_name_or_path")
    prompt_format, foreign = _prompt_format(folder)
    return AdapterFolder(
        path=folder,
        lora=_lora_settings(config),
        target_modules=() if isinstance(targets, str) else tuple(map(str, targets)),
        all_layers=not (config.get("layers_to_transform") or config.get("exclude_modules")),
        base=base if isinstance(base, str) and base else None,
        prompt_format=prompt_format,
        foreign_template=foreign,
    )


def same_base(recorded: str | None, *known: str | None) -> bool:
    """Whether the base that an adapter's training recorded is one of those known here.

    Repositories of one model go by several names: owners differ, and quantised copies carry a suffix. Training may
    have recorded a folder, of Hugging Face's cache or of a prepared model. One that recorded nothing may be of any
    base; its weights' shapes decide.
    """
    return recorded is None or _plain_name(recorded) in {_plain_name(name) for name in known if name}


def _plain_name(name: str) -> str:
    """`unsloth/Meta-Llama-3-8B-Instruct-bnb-4bit` → `llama-3-8b-instruct`."""
    cached = re.search(r"models--[^/\\]+--([^/\\]+)[/\\]snapshots", name)
    plain = (cached[1] if cached else re.split(r"[/\\]", name.rstrip("/\\"))[-1]).lower().replace("_", "-")
    plain = re.sub(r"(-unsloth)?(-bnb)?-4bit$|-gguf$|-[0-9a-f]{16}$", "", plain)
    return plain.removeprefix("meta-")


def _check_features(config: Mapping[str, Any]) -> None:
    kind = str(config.get("peft_type") or "nothing")
    if kind.upper() != "LORA":
        raise AdapterRefused(f"The adapter's peft_type is {kind}; LORA is served.")
    if config.get("bias", "none") != "none":
        raise AdapterRefused("The adapter carries biases ('bias'); plain LoRA is served.")
    start = str(config.get("init_lora_weights")).lower()
    if start not in _STARTS:
        raise AdapterRefused(
            f"The adapter was trained with init_lora_weights={start}, which changes the base model: save it again as "
            "plain LoRA (PEFT's save_pretrained with path_initial_model_for_weight_conversion)."
        )
    for feature, value in config.items():
        if feature not in _WITHOUT_CONSEQUENCE and feature != "bias" and value:
            raise AdapterRefused(f"The adapter uses PEFT's {feature!r}; plain LoRA is served.")


def _lora_settings(config: Mapping[str, Any]) -> LoraSettings:
    try:
        return LoraSettings(
            rank=_rank(config["r"]),
            alpha=float(config.get("lora_alpha") or 0),
            rslora=bool(config.get("use_rslora")),
            rank_pattern={
                _pattern(key): _rank(value) for key, value in (config.get("rank_pattern") or {}).items()
            },
            alpha_pattern={
                _pattern(key): float(value) for key, value in (config.get("alpha_pattern") or {}).items()
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError, re.error) as error:
        raise AdapterRefused(f"{CONFIG} is not valid: {type(error).__name__}: {error}") from None


def _rank(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"a rank is a number from 1, not {value!r}")
    return value


def _pattern(value: Any) -> str:
    if not isinstance(value, str) or not _PATTERN.fullmatch(value):
        raise ValueError(f"the pattern {value!r} is not served")
    re.compile(value)
    return value


def _prompt_format(folder: Path) -> tuple[str | None, bool]:
    """The format's name where the folder says it, and whether it has a template that we do not know."""
    if (folder / METADATA).is_file():
        name = _read_object(folder / METADATA).get("prompt_format")
        if name is not None:
            if name not in FORMATS:
                raise AdapterRefused(
                    f"{METADATA} names the prompt format {name!r}; there are {', '.join(FORMATS)}."
                )
            return str(name), False
    if not (folder / TEMPLATE).is_file():
        return None, False
    text = _read_text(folder / TEMPLATE).strip()
    same = [name for name in TEMPLATES if chat_template(name).strip() == text]
    return (same[0], False) if same else (None, True)


def _read_object(file: Path) -> dict[str, Any]:
    try:
        fields = json.loads(_read_text(file))
    except (ValueError, RecursionError) as error:
        raise AdapterRefused(f"{file.name} is not valid JSON: {error}") from None
    if not isinstance(fields, dict):
        raise AdapterRefused(f"{file.name} is not a JSON object.")
    return fields


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_TEXT + 1)
    except OSError as error:
        raise AdapterRefused(f"{file.name} cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST_TEXT:
        raise AdapterRefused(f"{file.name} is larger than {_LARGEST_TEXT} bytes.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise AdapterRefused(f"{file.name} is not UTF-8.") from None

"""Recipes: what is trained, on what, and how. One YAML file drives every backend.

A recipe is one of `training/recipes/` or anybody's own file, read with the safe loader and checked field by
field. This module says what the fields mean; nothing here imports torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.prompt import FORMATS
from model.yaml_files import BadYaml, merge, read_extending
from training.chats import explain
from training.finetuning.errors import RecipeError

RECIPES = Path(str(files("training"))) / "recipes"
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The seven linear layers of a block, in Llama's and Gemma's terms."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class BaseOverride(_Frozen):
    """Where training wants another base than the preset serves. What is not given is the preset's."""

    repo: str | None = None
    revision: str | None = None
    quantisation: Literal["none", "nf4"] | None = None
    dtype: Literal["auto", "float32", "bfloat16"] | None = None


class Lora(_Frozen):
    """The adapter's size. `alpha / rank` scales what it adds."""

    rank: int = Field(default=32, ge=1, le=512)
    alpha: float = Field(default=32, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[str, ...] = Field(default=PROJECTIONS, min_length=1, strict=False)


class Packing(_Frozen):
    """Several chats in one row of the batch, each seeing itself alone. Exact, and nothing is padded."""

    tokens: int = Field(ge=16)
    """The most tokens of a pack; a single chat may be longer, as far as `max_length` lets it."""
    share_prefix: bool = True
    """Compute the tokens that all chats of a pack begin with (the system prompt) once. Exact too. Where unsloth
    trains, each chat has them for itself."""


class Loss(_Frozen):
    """What is learnt, and over which vocabulary."""

    tokens: Literal["answers", "all"] = "answers"
    """`answers`: what the assistant wrote, with its end tokens. `all`: every token but the first."""
    negatives: int | None = Field(default=None, ge=1)
    """Where given, the softmax of the training loss goes over the tokens that occur in the data and this many
    of the others, drawn anew for every batch and weighted to stand for all of them (sampled softmax). The
    held-out loss always has the full vocabulary. Without it, so has the training loss; and so has unsloth's."""
    tag_weight: float = Field(default=1.0, gt=0)
    """How much the tokens of a look-up tag count, and those that end an answer, against all others. They are
    few, and say whether a page is asked for. The held-out loss has no weights, nor has unsloth's own loss."""


class Kto(_Frozen):
    """The second stage, on rated answers (Kahneman-Tversky optimisation, arXiv 2402.01306)."""

    beta: float = Field(default=0.1, gt=0)
    desirable_weight: float = Field(default=1.0, gt=0)
    undesirable_weight: float = Field(default=1.0, gt=0)
    learning_rate: float = Field(default=5e-6, gt=0)
    epochs: float = Field(default=1, gt=0)
    rows: int = Field(default=4, ge=2)
    """Rated answers in a batch; its loss compares them, so there must be two."""
    accumulate: int = Field(default=2, ge=1)


class Recipe(_Frozen):
    """One way to fine-tune."""

    name: Name
    description: str
    preset: str
    """Whose base model is trained, a name or file of `model.preset`."""
    base: BaseOverride = BaseOverride()
    prompt_format: str
    """How chats become tokens, a name in `model.prompt.FORMATS`."""
    lora: Lora = Lora()
    max_length: int = Field(ge=16)
    """Tokens of the longest example."""
    too_long: Literal["split", "truncate"] = "split"
    """What becomes of a longer chat. `split`: between turns, so that each part reads as a conversation whose
    oldest turns were dropped, and every answer is learnt once; only a part that is too long by itself is cut
    at its end. `truncate`: cut at its end."""
    packing: Packing | None = None
    """Without it, rows are padded to the longest of their batch."""
    loss: Loss = Loss()
    batch: int = Field(default=1, ge=1)
    """Rows (or packs) that a device takes at once."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients are added up for one step."""
    learning_rate: float = Field(gt=0)
    schedule: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "cosine"
    warmup_steps: int = Field(default=0, ge=0)
    epochs: float = Field(default=1, gt=0)
    optimizer: Literal["adamw", "adamw_8bit"] = "adamw"
    """`adamw_8bit` is bitsandbytes'; where there is no GPU, plain AdamW takes its place."""
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, ge=0)
    """0: gradients are not clipped."""
    gradient_checkpointing: bool = False
    seed: int = 3407
    """Of the adapter's first weights and of what is drawn on the way."""
    data_seed: int = 42
    """Of the order of the chats."""
    log_every: int = Field(default=1, ge=1)
    evaluate_every: int | None = Field(default=None, ge=1)
    """Steps from one held-out loss to the next; there is always one at the end. None: only that."""
    evaluate_rows: int | None = Field(default=None, ge=1)
    """Validation chats used on the way, spread over the languages; None: all. The last evaluation has all."""
    checkpoint_every: int = Field(default=50, ge=1)
    """Steps from one checkpoint to the next."""
    adapter_dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """How the adapter is saved in the end; the held-out loss in the manifest is of this."""
    kto: Kto = Kto()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.prompt_format not in FORMATS:
            raise ValueError(
                f"there is no prompt format {self.prompt_format!r}; there are {', '.join(FORMATS)}"
            )
        if self.loss.tokens == "all" and self.packing and self.packing.share_prefix:
            raise ValueError("packing.share_prefix needs loss.tokens 'answers': what is shared is not learnt")
        if self.packing and self.batch != 1:
            raise ValueError("a pack is a batch of its own: give packing.tokens, and leave batch at 1")
        if self.packing is None and self.epochs != int(self.epochs) and self.epochs > 1:
            raise ValueError("epochs must be whole where nothing is packed")
        return self

    @property
    def digest(self) -> str:
        """A fingerprint of everything that shapes the weights."""
        fields = self.model_dump(
            mode="json", exclude={"name", "description", "log_every", "checkpoint_every"}
        )
        return hashlib.sha256(yaml.safe_dump(fields, sort_keys=True).encode()).hexdigest()[:16]

    def carried_out(self, backend: str, *, on_gpu: bool) -> Recipe:
        """What a run does of it: 8 bits need a GPU, and unsloth has an attention and a loss of its own."""
        changed: dict[str, Any] = {} if on_gpu else {"optimizer": "adamw"}
        if backend == "unsloth":
            changed["loss"] = self.loss.model_copy(update={"negatives": None, "tag_weight": 1.0})
            if self.packing:
                changed["packing"] = self.packing.model_copy(update={"share_prefix": False})
        return self.model_copy(update=changed)

    def changes(self, other: Recipe) -> dict[str, tuple[Any, Any]]:
        """Of each field that is different in `other` both values, names and descriptions apart."""
        mine, theirs = _flat(self.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
        return {
            key: (mine.get(key), theirs.get(key))
            for key in sorted(mine.keys() | theirs.keys())
            if mine.get(key) != theirs.get(key) and key not in {"name", "description"}
        }

    def differences(self, other: Recipe) -> list[str]:
        """The changes, a line each."""
        changes = self.changes(other).items()
        return [f"{key}: {before!r} before, {now!r} now" for key, (before, now) in changes]


def recipe_names() -> list[str]:
    """The shipped recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def load_recipe(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """The shipped recipe of this name, or the one in this YAML file, with `key=value` put over its fields.

    Keys of `overrides` go into depth with points, as `lora.rank=16`. Raises `RecipeError`.
    """
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = RECIPES / f"{name_or_path}.yaml"
        if not path.is_file():
            raise RecipeError(
                f"there is no recipe '{name_or_path}'; there are {', '.join(recipe_names())}, "
                "or give a YAML file"
            )
    try:
        fields = read_extending(path, "recipe", RECIPES)
    except BadYaml as error:
        raise RecipeError(str(error)) from None
    for override in overrides:
        fields = merge(fields, _parse_override(override))
    try:
        return Recipe.model_validate({"name": path.stem, **fields})
    except ValidationError as error:
        raise RecipeError(f"{path}: {explain(error)}") from None


def _parse_override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"{text!r} is no KEY=VALUE")
    try:
        parsed: Any = _number(yaml.safe_load(value))
    except yaml.YAMLError as error:
        raise RecipeError(f"{text!r}: the value is not valid YAML: {error}") from None
    for part in reversed(key.strip().split(".")):
        parsed = {part: parsed}
    result: dict[str, Any] = parsed
    return result


def _number(value: Any) -> Any:
    """YAML 1.1 reads `2e-4` as text; people mean a number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat

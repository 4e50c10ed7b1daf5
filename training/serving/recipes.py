"""The recipes that jobs may use, what a job changes in them, and how long one may take.

OpenAI's three hyperparameters become fields of the recipe; nothing else of it can be changed from outside.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.machine import installed, this_machine
from model.preflight import obstacle
from model.preset import Preset
from training.chats import explain, write_text
from training.finetuning.base import preset_for
from training.finetuning.licences import family_of
from training.finetuning.options import Method
from training.finetuning.recipe import Recipe, load_recipe
from training.serving.errors import BadRequest, NotFound

Auto = Literal["auto"]


class Hyperparameters(BaseModel):
    """As OpenAI has them; `auto` leaves what the recipe says."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)

    n_epochs: Auto | int | float = "auto"
    """Times that all rows are trained on."""
    batch_size: Auto | int = "auto"
    """Rows (packs, where the recipe packs) of one step."""
    learning_rate_multiplier: Auto | float = "auto"
    """Times the recipe's learning rate."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A recipe of the allow-list, and the preset whose base it trains."""

    id: str
    recipe: Recipe
    preset: Preset

    @property
    def family(self) -> str:
        """Of its base; see `training.finetuning.licences.family_of`."""
        return family_of(self.preset.base)


class Recipes:
    """The allow-list."""

    def __init__(
        self,
        names: Sequence[str],
        *,
        embedded_source: Path | None = None,
        cache: Path | None = None,
        shared_memory: bool = False,
    ) -> None:
        """`shared_memory`: the worker gives its memory away while a job runs. Raises `RecipeError`, `PresetError`."""
        offered = (load_recipe(name) for name in names)
        self._offered = {recipe.name: Offered(recipe.name, recipe, preset_for(recipe)) for recipe in offered}
        self._where = {"embedded_source": embedded_source, "cache": cache}
        self._shared_memory = shared_memory

    def all(self) -> list[Offered]:
        """In the order of the allow-list."""
        return list(self._offered.values())

    def get(self, recipe_id: str) -> Offered:
        """Raises `NotFound`."""
        if recipe_id not in self._offered:
            raise NotFound(
                f"There is no recipe {recipe_id!r} here; there are {', '.join(self._offered) or 'none'} "
                "(TRAINER_RECIPES).",
                param="metadata.recipe",
            )
        return self._offered[recipe_id]

    def choose(self, model: str, recipe_id: str | None) -> Offered:
        """The recipe that a job means: the one named, else that of its `model`. Raises `BadRequest`."""
        if recipe_id is None:
            for each in self.all():
                if model in {each.id, each.recipe.preset, each.preset.base.name}:
                    return each
            raise NotFound(
                f"There is no recipe for the model {model!r}: name one in metadata.recipe; there are "
                f"{', '.join(self._offered) or 'none'}.",
                param="model",
            )
        chosen = self.get(recipe_id)
        if model not in {
            "base",
            chosen.id,
            chosen.recipe.preset,
            chosen.preset.name,
            chosen.preset.base.name,
        }:
            raise BadRequest(
                f"The recipe {recipe_id!r} trains the base of {chosen.preset.name!r}, not {model!r}.",
                param="model",
            )
        return chosen

    def obstacle(self, offered: Offered) -> str | None:
        """Why this machine cannot run it, None where it can. Looks at the machine anew."""
        if not installed("trl"):
            return "Training needs more packages: pip install 'fanfabler[train]'."
        this_machine.cache_clear()
        machine = this_machine()
        if self._shared_memory:
            machine = replace(machine, free_gpu_memory=machine.gpu_memory, free_ram=machine.ram)
        return obstacle(offered.preset, machine=machine, **self._where)


def adjusted(recipe: Recipe, wanted: Hyperparameters, method: Method, seed: int | None = None) -> Recipe:
    """The recipe with what a job asks for. Raises `BadRequest`."""
    changed: dict[str, Any] = {} if seed is None else {"seed": seed}
    kto = method == "kto"
    own: dict[str, Any] = {}
    if wanted.n_epochs != "auto":
        own["epochs"] = wanted.n_epochs
    if wanted.learning_rate_multiplier != "auto":
        rate = recipe.kto.learning_rate if kto else recipe.learning_rate
        own["learning_rate"] = rate * wanted.learning_rate_multiplier
    if wanted.batch_size != "auto":
        own |= _batches(recipe, wanted.batch_size, kto=kto)
    fields = recipe.model_dump(mode="json") | changed
    fields |= {"kto": fields["kto"] | own} if kto else own
    if wanted.n_epochs != "auto" and not 0 < wanted.n_epochs <= 100:
        raise BadRequest("n_epochs is more than 0 and at most 100.", param="hyperparameters.n_epochs")
    try:
        return Recipe.model_validate(fields)
    except ValidationError as error:
        raise BadRequest(
            f"These hyperparameters do not go: {explain(error)}", param="hyperparameters"
        ) from None


def _batches(recipe: Recipe, size: int, *, kto: bool) -> dict[str, int]:
    """How a step of this size is made up: as much at once as the recipe takes at once, where that goes."""
    if not 1 + kto <= size <= 4096:
        raise BadRequest(
            f"batch_size is at least {1 + kto} and at most 4096.", param="hyperparameters.batch_size"
        )
    at_once = math.gcd(size, recipe.kto.rows if kto else recipe.batch)
    if kto:
        # The loss of KTO compares the rows of a batch.
        at_once = at_once if at_once > 1 else size
        return {"rows": at_once, "accumulate": size // at_once}
    return {"batch": at_once, "accumulate": size // at_once}


def used(recipe: Recipe, method: Method, base: Recipe) -> dict[str, Any]:
    """OpenAI's hyperparameters as they came out."""
    if method == "kto":
        return {
            "n_epochs": _whole(recipe.kto.epochs),
            "batch_size": recipe.kto.rows * recipe.kto.accumulate,
            "learning_rate_multiplier": recipe.kto.learning_rate / base.kto.learning_rate,
        }
    return {
        "n_epochs": _whole(recipe.epochs),
        "batch_size": recipe.batch * recipe.accumulate,
        "learning_rate_multiplier": recipe.learning_rate / base.learning_rate,
    }


def _whole(number: float) -> int | float:
    return int(number) if number == int(number) else number


def epochs_of(recipe: Recipe, method: Method) -> float:
    """How often a run goes over its rows."""
    return recipe.kto.epochs if method == "kto" else recipe.epochs


def steps_of(recipe: Recipe, method: Method, rows: int, tokens: int) -> int:
    """About how many steps a run over so many rows and tokens takes."""
    if method == "kto":
        return max(math.ceil(rows // recipe.kto.rows / recipe.kto.accumulate * recipe.kto.epochs), 1)
    if recipe.packing:
        packs = max(tokens / recipe.packing.tokens, 1) * recipe.epochs
        return max(math.ceil(packs / recipe.accumulate), 1)
    return max(math.ceil(rows / (recipe.batch * recipe.accumulate) * recipe.epochs), 1)


class Experience(BaseModel):
    """How a recipe went on this machine the last time."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tokens_per_estimated: float = Field(gt=0)
    """Tokens that there were for each that had been estimated."""
    seconds_per_token: float = Field(gt=0)
    """Over the tokens of all epochs; evaluations and checkpoints on the way are in it."""
    seconds_per_answer: float | None = Field(default=None, ge=0)
    """Of the evaluation, where there was one."""
    other_seconds: float = Field(ge=0)
    """What the job took beside training and evaluating: loading above all."""


class Experiences:
    """What is known of all recipes, in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            self._known = {name: Experience.model_validate(each) for name, each in found.items()}
        except (OSError, ValueError):
            self._known = {}

    def of(self, recipe: str, method: Method) -> Experience | None:
        """None where the recipe has not run here by this method."""
        return self._known.get(f"{recipe} {method}")

    def keep(self, recipe: str, method: Method, experience: Experience) -> None:
        """Note how it went."""
        self._known[f"{recipe} {method}"] = experience
        found = {name: each.model_dump() for name, each in self._known.items()}
        write_text(self._path, json.dumps(found, indent=1) + "\n")

"""What is ready before training begins: the model, the examples, and the order in which they are trained on."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.finetuning.base import Backend, Trainee, load_trainee
from training.finetuning.data import TrainingData
from training.finetuning.examples import Counts, Example, make_examples
from training.finetuning.options import Options
from training.finetuning.packing import plan
from training.finetuning.rated import RatedChat, RatedExample, make_rated
from training.finetuning.recipe import Recipe
from training.finetuning.run_folder import processes


@dataclass(slots=True)
class Prepared:
    """Everything that training needs."""

    recipe: Recipe
    """What is carried out of the one that was asked for, see `Recipe.carried_out`."""
    trainee: Trainee
    validation: list[Example]
    counts: Counts
    """Of what is trained on."""
    languages: list[str]
    """The codes of the languages that are trained on."""
    train: list[Example] = field(default_factory=list)
    plan: list[list[int]] = field(default_factory=list)
    """The packs of the whole run, as places in `train`; empty where nothing is packed."""
    rated: list[RatedExample] = field(default_factory=list)
    """For KTO, in place of `train`."""


def prepare(
    recipe: Recipe, options: Options, backend: Backend, data: TrainingData, rated: list[RatedChat]
) -> Prepared:
    """Load the model and turn the chats into tokens. Raises `TrainingError` or `ModelError`."""
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    trainee = load_trainee(
        recipe,
        backend,
        adapter=options.adapter,
        embedded_source=options.embedded_source,
        cache=options.cache,
    )
    on_gpu = next(trainee.model.parameters()).device.type == "cuda"
    recipe = recipe.carried_out(backend, on_gpu=on_gpu)
    # The held-out loss is always about the answers, so that recipes can be compared by it.
    answers = recipe.model_copy(update={"loss": recipe.loss.model_copy(update={"tokens": "answers"})})
    validation, _ = make_examples(data.validation, answers, trainee.tokenizer)
    if rated:
        examples, counts = make_rated(rated, recipe, trainee.tokenizer)
        languages = list(dict.fromkeys(row.language for row in rated))
        return Prepared(recipe, trainee, validation, counts, languages, rated=examples)
    train, counts = make_examples(data.train, recipe, trainee.tokenizer)
    prepared = Prepared(recipe, trainee, validation, counts, data.languages(), train)
    if recipe.packing:
        prepared.plan = plan(
            train,
            recipe.packing,
            epochs=recipe.epochs,
            seed=recipe.data_seed,
            multiple=recipe.accumulate * processes(),
        )
    return prepared

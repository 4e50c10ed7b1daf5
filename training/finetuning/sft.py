"""Supervised fine-tuning: TRL's trainer, set up as a recipe says.

Imports torch, transformers and trl: import it inside a function.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback
from trl import SFTConfig

from training.finetuning.batches import PackedBatches, PaddedBatches, Weights
from training.finetuning.checkpoints import Checkpoints
from training.finetuning.console import Console
from training.finetuning.examples import Example, spread
from training.finetuning.flops import Costs, peak_flops
from training.finetuning.head import Vocabulary, add_loss
from training.finetuning.metrics import EventLog
from training.finetuning.packing import in_packs
from training.finetuning.prepared import Prepared
from training.finetuning.recipe import Packing, Recipe
from training.finetuning.run_folder import RunFolder, processes
from training.finetuning.trainers import AnswerTrainer, Batches, RunProgress, steps_in


def make_trainer(
    prepared: Prepared, folder: RunFolder, log: EventLog | None, console: Console
) -> tuple[AnswerTrainer, RunProgress]:
    """A trainer that is ready to train, and what watches it."""
    recipe, trainee = prepared.recipe, prepared.trainee
    base = trainee.model.get_base_model()
    size = base.get_output_embeddings().weight.shape[0]
    vocabulary = _vocabulary(recipe, prepared.train, size)
    if trainee.backend == "transformers":
        add_loss(base, vocabulary)
    device = next(trainee.model.parameters()).device
    costs = Costs.of(trainee.model, len(vocabulary) if vocabulary else size)
    checkpoints = Checkpoints(folder.checkpoints)
    before = checkpoints.latest()
    progress = RunProgress(
        log=log,
        costs=costs,
        peak=peak_flops(device, "bfloat16" if device.type == "cuda" else "float32"),
        evaluate_every=recipe.evaluate_every,
        checkpoint_every=recipe.checkpoint_every,
        epoch_steps=steps_of(prepared) / recipe.epochs,
        show=console.show,
        best=before.progress if before else None,
    )
    trainer = AnswerTrainer(
        model=trainee.model,
        args=on_one_gpu(_arguments(prepared, folder, device)),
        data_collator=_collator(prepared),
        train_dataset=_dataset(prepared),
        processing_class=trainee.tokenizer,
        callbacks=[progress],
    )
    trainer.remove_callback(PrinterCallback)
    # TRL puts the layers over a 4-bit base into 16 bits, where small updates of a weight are lost.
    for parameter in trainee.model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    trainer.progress, trainer.checkpoints = progress, checkpoints
    trainer.held_out = held_out_of(prepared)
    return trainer, progress


def held_out(
    examples: list[Example], packing: Packing | None, pad: int, *, with_layout: bool = True
) -> Batches:
    """The batches of a held-out loss: packed where training is, else one by one."""
    collate: PackedBatches | PaddedBatches
    if packing:
        places = in_packs(examples, packing)
        collate = PackedBatches(examples, packing.share_prefix, with_layout)
    else:
        places = [[place] for place in range(len(examples))]
        collate = PaddedBatches(examples, pad)

    def batches() -> Iterator[dict[str, Any]]:
        return (collate([{"rows": rows}]) for rows in places)

    return batches


def held_out_of(prepared: Prepared, *, whole: bool = False) -> Batches:
    """The batches of a run's held-out loss: on the way as many rows as the recipe says, in the end the `whole`."""
    recipe, trainee = prepared.recipe, prepared.trainee
    examples = prepared.validation if whole else spread(prepared.validation, recipe.evaluate_rows)
    with_layout = trainee.backend == "transformers"
    return held_out(examples, recipe.packing, pad_id(trainee.tokenizer), with_layout=with_layout)


def steps_of(prepared: Prepared) -> int:
    """The steps of the whole run."""
    recipe = prepared.recipe
    rows, epochs = (prepared.plan, 1) if recipe.packing else (prepared.train, recipe.epochs)
    batches = math.ceil(len(rows) / (recipe.batch * processes()))
    return steps_in(batches, recipe.accumulate, epochs)


def pad_id(tokenizer: Any) -> int:
    """What fills up a row; masked, so that any token will do."""
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id)


def _vocabulary(recipe: Recipe, examples: list[Example], size: int) -> Vocabulary | None:
    if recipe.loss.negatives is None:
        return None
    learnt = {
        token
        for example in examples
        for token, learn in zip(example.ids, example.learn, strict=True)
        if learn
    }
    vocabulary = Vocabulary(learnt, size, recipe.loss.negatives)
    return vocabulary if len(vocabulary) < size else None


def _dataset(prepared: Prepared) -> Dataset:
    """Places of examples: the collator makes the batches. Packs are in the order in which they are trained on."""
    if prepared.recipe.packing:
        return Dataset.from_dict({"rows": prepared.plan})
    rows = Dataset.from_dict({"rows": [[place] for place in range(len(prepared.train))]})
    return rows.shuffle(seed=prepared.recipe.data_seed)


def _collator(prepared: Prepared) -> PackedBatches | PaddedBatches:
    recipe, with_layout = prepared.recipe, prepared.trainee.backend == "transformers"
    weights = Weights.of(prepared.train, recipe.loss.tag_weight)
    if recipe.packing:
        return PackedBatches(prepared.train, recipe.packing.share_prefix, with_layout, weights)
    return PaddedBatches(prepared.train, pad_id(prepared.trainee.tokenizer), weights)


def _arguments(prepared: Prepared, folder: RunFolder, device: torch.device) -> SFTConfig:
    recipe = prepared.recipe
    return SFTConfig(
        **shared_arguments(recipe, folder, device),
        # Packs come in the order of their plan, which has all epochs.
        train_sampling_strategy="sequential" if recipe.packing else "random",
        num_train_epochs=1 if recipe.packing else recipe.epochs,
        per_device_train_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulate,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=recipe.schedule,
        warmup_steps=recipe.warmup_steps,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
    )


def on_one_gpu(arguments: Any) -> Any:
    """A GPU for each process: for several, `Trainer` would take `nn.DataParallel`, which TRL refuses."""
    if arguments.n_gpu > 1:
        # As Trainer does for a model in parts: there is no public way.
        arguments._n_gpu = 1
    return arguments


def shared_arguments(recipe: Recipe, folder: RunFolder, device: torch.device) -> dict[str, Any]:
    """What transformers' trainers are told in every stage."""
    on_gpu = device.type == "cuda"
    in_bf16 = on_gpu and torch.cuda.is_bf16_supported()
    return {
        "output_dir": str(folder.checkpoints),
        "seed": recipe.seed,
        "optim": {"adamw": "adamw_torch", "adamw_8bit": "adamw_8bit"}[recipe.optimizer],
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "bf16": in_bf16,
        "fp16": on_gpu and not in_bf16,
        "use_cpu": not on_gpu,
        "logging_steps": recipe.log_every,
        # RunProgress says when to evaluate and to save.
        "eval_strategy": "no",
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "ddp_find_unused_parameters": False,
    }

"""The second stage: an adapter that was trained is moved towards what members liked, by TRL's KTOTrainer.

The reference is the adapter that it begins with. Imports torch, transformers and trl: import it inside a
function.
"""

from __future__ import annotations

import types
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, Trainer
from trl import KTOConfig, KTOTrainer
from trl.trainer.utils import FusedCausalLMOutput

from training.errors import DataError
from training.finetuning.checkpoints import Checkpoints
from training.finetuning.console import Console
from training.finetuning.flops import Tally
from training.finetuning.head import add_loss
from training.finetuning.metrics import EventLog
from training.finetuning.packing import IGNORED
from training.finetuning.prepared import Prepared
from training.finetuning.rated import RatedExample
from training.finetuning.run_folder import RunFolder, processes
from training.finetuning.sft import held_out_of, on_one_gpu, shared_arguments
from training.finetuning.trainers import HeldOutTrainer, ResumableTrainer, RunProgress, steps_in


class RatedTrainer(HeldOutTrainer, ResumableTrainer, KTOTrainer):  # type: ignore[misc]
    """`KTOTrainer` on rated examples of ours."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any, **__: Any) -> Dataset:
        """It is in tokens already, and has the mismatched answers."""
        return dataset

    def compute_loss(self, model: Any, inputs: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        tokens = int(inputs["attention_mask"].sum())
        self.progress.tally.add(
            Tally(tokens, inputs["input_ids"].numel(), int(inputs["completion_mask"].sum()), 0)
        )
        return super().compute_loss(model, inputs, *arguments, **options)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """With KTO's own metrics of the training batches."""
        own = self._metrics["train"]
        named = {"margin": "rewards/margins", "kl": "kl"}
        Trainer.log(
            self, {**logs, **{name: own[key][-1] for name, key in named.items() if own.get(key)}}, start_time
        )
        own.clear()


def make_trainer(
    prepared: Prepared, folder: RunFolder, log: EventLog | None, console: Console
) -> tuple[RatedTrainer, RunProgress]:
    """A trainer that is ready to train, and what watches it. Raises `DataError` for too few rows."""
    recipe, trainee = prepared.recipe, prepared.trainee
    if steps_of(prepared) == 0:
        needed = recipe.kto.rows * processes()
        raise DataError(
            f"KTO needs at least {needed} rated answers with this recipe; there are {len(prepared.rated)}"
        )
    base = trainee.model.get_base_model()
    add_loss(base)
    device = next(trainee.model.parameters()).device
    progress = RunProgress(
        log=log,
        costs=None,
        peak=None,
        evaluate_every=recipe.evaluate_every,
        checkpoint_every=recipe.checkpoint_every,
        epoch_steps=steps_of(prepared) / recipe.kto.epochs,
        show=console.show,
        # Held-out loss says whether it still writes as it did, not how much it is liked.
        choose_best=False,
    )
    trainer = RatedTrainer(
        model=trainee.model,
        args=on_one_gpu(_arguments(prepared, folder, device)),
        train_dataset=_dataset(prepared),
        processing_class=trainee.tokenizer,
        callbacks=[progress],
    )
    _use_own_head(base)
    trainer.remove_callback(PrinterCallback)
    for name, parameter in trainee.model.named_parameters():
        if ".default." in name and "lora" in name:
            parameter.data = parameter.data.float()
    trainer.progress, trainer.checkpoints = progress, Checkpoints(folder.checkpoints)
    trainer.held_out = held_out_of(prepared)
    return trainer, progress


def steps_of(prepared: Prepared) -> int:
    """The steps of the whole run, 0 where the rows fill no batch; what is left of the last one is not used."""
    kto = prepared.recipe.kto
    batches = len(prepared.rated) // (kto.rows * processes())
    return steps_in(batches, kto.accumulate, kto.epochs) if batches else 0


def _use_own_head(base: Any) -> None:
    """TRL's fused head needs Triton; what KTO asks of it beside the likelihoods is only for its metrics."""
    ours = base.forward.__func__

    def forward(self: Any, *args: Any, fused_lm_head: bool = False, labels: Any = None, **kwargs: Any) -> Any:
        if not fused_lm_head:
            return ours(self, *args, labels=labels, **kwargs)
        losses = ours(self, *args, labels=labels, learnt_losses=True, **kwargs)
        mask = labels[:, 1:] != IGNORED
        likelihoods = losses.new_zeros(mask.shape).masked_scatter(mask, -losses)
        nothing = torch.zeros_like(likelihoods)
        return FusedCausalLMOutput(
            log_probs=likelihoods, entropy=nothing, mean_logits=nothing, label_mask=mask
        )

    base.forward = types.MethodType(forward, base)


def _dataset(prepared: Prepared) -> Dataset:
    """Shuffled; each row with the answer of its neighbour in the batch, from which KTO estimates its KL term."""
    rows, size = prepared.rated, prepared.recipe.kto.rows
    order = torch.randperm(
        len(rows), generator=torch.Generator().manual_seed(prepared.recipe.data_seed)
    ).tolist()
    shuffled = [rows[place] for place in order]
    batches = [shuffled[begin : begin + size] for begin in range(0, len(shuffled), size)]
    return Dataset.from_list(
        [_row(row, batch[place - 1]) for batch in batches for place, row in enumerate(batch)]
    )


def _row(row: RatedExample, neighbour: RatedExample) -> dict[str, Any]:
    return {
        "prompt_ids": row.prompt,
        "completion_ids": row.answer,
        "KL_completion_ids": neighbour.answer,
        "label": row.liked,
    }


def _arguments(prepared: Prepared, folder: RunFolder, device: torch.device) -> KTOConfig:
    recipe, kto = prepared.recipe, prepared.recipe.kto
    return KTOConfig(
        **shared_arguments(recipe, folder, device),
        beta=kto.beta,
        desirable_weight=kto.desirable_weight,
        undesirable_weight=kto.undesirable_weight,
        num_train_epochs=kto.epochs,
        per_device_train_batch_size=kto.rows,
        gradient_accumulation_steps=kto.accumulate,
        dataloader_drop_last=True,
        learning_rate=kto.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=min(recipe.warmup_steps, steps_of(prepared) // 10),
        # Rows are as long as they may be already.
        max_length=None,
    )

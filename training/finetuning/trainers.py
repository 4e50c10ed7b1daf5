"""TRL's trainers with what our runs add: whole checkpoints, an exact held-out loss, and a loss for any device.

Imports torch, transformers and trl: import it inside a function.
"""

from __future__ import annotations

import math
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import Trainer, TrainerCallback
from trl import SFTTrainer

from training.finetuning.batches import tally
from training.finetuning.checkpoints import Checkpoints, Progress
from training.finetuning.flops import Costs, Stopwatch, Tally, peak_memory
from training.finetuning.metrics import EventLog
from training.finetuning.packing import IGNORED

Batches = Callable[[], Iterator[dict[str, Any]]]


class ResumableTrainer(Trainer):  # type: ignore[misc]
    """Whole checkpoints, and resuming from them, for any of TRL's trainers that it is mixed into."""

    checkpoints: Checkpoints
    progress: RunProgress

    def _get_output_dir(self, trial: Any) -> str:
        return str(self.checkpoints.staging)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write beside its place, then put it there: `Trainer`'s own would leave halves after a kill."""
        self.progress.watch.stop()
        if self.accelerator.is_main_process:
            shutil.rmtree(self.checkpoints.staging, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        Trainer._save_checkpoint(self, model, trial)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            self.checkpoints.commit(
                self.checkpoints.staging / f"checkpoint-{self.state.global_step}",
                self.progress.of(self.state.global_step),
            )
        self.accelerator.wait_for_everyone()
        self.progress.watch.start()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """The adapter alone: PEFT would ask the hub whether the vocabulary is still the base's."""
        folder = output_dir or self.args.output_dir
        model = self.accelerator.unwrap_model(self.model)
        # KTO has a second adapter for reference, which is the same in every checkpoint.
        model.save_pretrained(
            folder, state_dict=state_dict, save_embedding_layers=False, selected_adapters=["default"]
        )

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Into the adapter that is there; `Trainer`'s own makes a new one, in 32 bits."""
        weights = load_file(Path(resume_from_checkpoint) / "adapter_model.safetensors")
        set_peft_model_state_dict(self.model if model is None else model, weights)


class HeldOutTrainer(Trainer):  # type: ignore[misc]
    """An exact held-out loss in place of `Trainer`'s, which is a mean of the batches' means."""

    held_out: Batches
    """The batches of the held-out loss."""
    progress: RunProgress

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The held-out loss: the mean over all learnt tokens, over the full vocabulary."""
        self.progress.watch.stop()
        began = time.perf_counter()
        loss, tokens = held_out_loss(self.model, self.held_out, self.accelerator)
        seconds = time.perf_counter() - began
        metrics = {"eval_loss": loss, "eval_tokens": float(tokens), "eval_seconds": seconds}
        control: Any = self.control  # type: ignore[has-type]
        self.control = self.callback_handler.on_evaluate(self.args, self.state, control, metrics)
        self.progress.watch.start()
        return metrics


class AnswerTrainer(HeldOutTrainer, ResumableTrainer, SFTTrainer):  # type: ignore[misc]
    """`SFTTrainer` on examples of ours: packed or padded batches, and a loss that needs no GPU."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean over the learnt tokens of the whole step, on all devices. `return_outputs` is not asked for."""
        costs = self.progress.costs
        self.progress.tally.add(tally(inputs, costs.window if costs else None))
        total = summed_loss(model, inputs)
        counted = (
            (inputs["labels"][:, 1:] != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
        )
        return total / counted * self.accelerator.num_processes

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Without TRL's own metrics, which its own loss would have collected."""
        Trainer.log(self, logs, start_time)


def summed_loss(model: Any, batch: dict[str, Any]) -> Any:
    """The loss of a batch, summed over its learnt tokens: by `training.finetuning.head`, or by unsloth's own.

    With `weights` in the batch each token counts by its own; unsloth's loss has none.
    """
    learnt = batch["labels"][:, 1:] != IGNORED
    inner = model.module if hasattr(model, "module") else model
    base = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
    if getattr(base, "has_learnt_losses", False):
        weights = batch.get("weights")
        losses = model(**{name: batch[name] for name in batch if name != "weights"}, learnt_losses=True)
        return (losses if weights is None else losses * weights[:, 1:][learnt]).sum()
    return model(**batch, use_cache=False).loss * learnt.sum()


def held_out_loss(model: Any, batches: Batches, accelerator: Any = None) -> tuple[float, int]:
    """Mean loss over the learnt tokens of all batches, and how many those are; processes share the batches."""
    mine = accelerator.process_index if accelerator else 0
    shares = accelerator.num_processes if accelerator else 1
    device = next(model.parameters()).device
    sums = torch.zeros(2, dtype=torch.float64)
    training = model.training
    model.eval()
    with torch.no_grad():
        for number, batch in enumerate(batches()):
            if number % shares == mine:
                moved = {
                    name: value.to(device) if torch.is_tensor(value) else value
                    for name, value in batch.items()
                }
                sums[0] += float(summed_loss(model, moved))
                sums[1] += int((batch["labels"][:, 1:] != IGNORED).sum())
    model.train(training)
    if accelerator:
        sums = accelerator.reduce(sums.to(accelerator.device if device.type != "cpu" else "cpu")).cpu()
    return float(sums[0] / sums[1]), int(sums[1])


class RunProgress(TrainerCallback):  # type: ignore[misc]
    """Decides when to evaluate and to save, and tells what happens: to the event log, and to `show`."""

    def __init__(
        self,
        *,
        log: EventLog | None,
        costs: Costs | None,
        peak: float | None,
        evaluate_every: int | None,
        checkpoint_every: int,
        epoch_steps: float,
        show: Callable[[str, dict[str, Any]], None],
        best: Progress | None = None,
        choose_best: bool = True,
    ) -> None:
        """`log` is None for all processes but the first. `peak`: FLOP/s of one device, where known.

        `best` is what the checkpoint that the run goes on from says. Without `choose_best` the last checkpoint is
        the one that counts, whatever its held-out loss.
        """
        self.log, self.costs, self.peak, self.show = log, costs, peak, show
        self.evaluate_every, self.checkpoint_every = evaluate_every, checkpoint_every
        self.epoch_steps = epoch_steps
        self.tally, self.watch = Tally(), Stopwatch()
        self.stop_wanted = False
        self._choose_best = choose_best
        self._measured: tuple[int, float] | None = None
        self._best = (best.best_step, best.best_loss) if best else (None, None)
        self._rate: float | None = None
        self._trained = (0, 0.0)

    def of(self, step: int) -> Progress:
        """What a checkpoint of this step is to say."""
        loss = self._measured[1] if self._measured and self._measured[0] == step else None
        return Progress(step, loss, *self._best)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if torch.cuda.is_available():
            # What loading took is not what training takes.
            torch.cuda.reset_peak_memory_stats()
        self.watch.start()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        step, last = state.global_step, state.global_step >= state.max_steps
        control.should_evaluate = last or (
            self.evaluate_every is not None and step % self.evaluate_every == 0
        )
        control.should_save = last or step % self.checkpoint_every == 0
        if _wanted_anywhere(self.stop_wanted, args.device) and not last:
            self.stop_wanted = True
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        if not logs or "loss" not in logs:
            return
        seconds, done = self.watch.lap(), self.tally
        self.tally = Tally()
        steps, spent = self._trained
        # The first step of a process is slower: memory is laid out, kernels are chosen.
        self._trained = (steps + 1, spent + seconds if steps else 0.0)
        a_step = self._trained[1] / steps if steps else seconds
        self._tell(
            "step",
            step=state.global_step,
            epoch=state.global_step / self.epoch_steps,
            loss=logs["loss"],
            learning_rate=logs.get("learning_rate"),
            gradient_norm=logs.get("grad_norm"),
            seconds=seconds,
            tokens_per_second=done.tokens * args.world_size / seconds,
            learnt_tokens_per_second=done.learnt * args.world_size / seconds,
            mfu=self.costs.total(done) / seconds / self.peak if self.costs and self.peak else None,
            peak_memory=peak_memory(),
            margin=logs.get("margin"),
            kl=logs.get("kl"),
            seconds_left=a_step / args.logging_steps * (state.max_steps - state.global_step),
        )

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: dict[str, float] | None = None, **_: Any
    ) -> None:
        loss = (metrics or {}).get("eval_loss")
        if loss is None:
            return
        if self._choose_best:
            self._measured = (state.global_step, loss)
            # A loss that is no number is never the best, and never keeps another from being it.
            if math.isfinite(loss) and (self._best[1] is None or loss < self._best[1]):
                self._best = (state.global_step, loss)
                control.should_save = True
        self._tell(
            "evaluation",
            step=state.global_step,
            loss=loss,
            perplexity=perplexity(loss),
            tokens=int((metrics or {}).get("eval_tokens", 0)),
            seconds=(metrics or {}).get("eval_seconds"),
        )

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._tell("checkpoint", step=state.global_step)

    def _tell(self, event: str, **fields: Any) -> None:
        if self.log is not None:
            self.log.write(event, **fields)
            self.show(event, fields)


def _wanted_anywhere(wanted: bool, device: Any) -> bool:
    """Whether any process wants it: signals reach them at different steps, and all must stop after the same one."""
    if not torch.distributed.is_initialized():
        return wanted
    wishes = torch.tensor(int(wanted), device=device)
    torch.distributed.all_reduce(wishes)
    return bool(wishes)


def steps_in(batches: int, accumulate: int, epochs: float) -> int:
    """The steps of a run, as `Trainer` counts them: an epoch's last one may be smaller, a broken one is whole."""
    return math.ceil(epochs * max(math.ceil(batches / accumulate), 1))


def perplexity(loss: float) -> float:
    """The loss as people read it, e to its power; infinite where that is beyond a float."""
    return math.exp(loss) if loss < 700 else math.inf


@contextmanager
def stopping(progress: RunProgress) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the run after its step, with a checkpoint; a second one at once."""
    asked = False

    def wish(number: int, _: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = progress.stop_wanted = True
        progress.show("stopping", {})

    before = {number: signal.signal(number, wish) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""How the heavy libraries are to behave; called before the first of them is imported."""

from __future__ import annotations

import os


def ready(backend: str = "transformers") -> None:
    """No telemetry, no progress bars of theirs; threads that wait for one another sleep."""
    # Where other processes want the cores too, threads that wait by spinning make two threads several times slower
    # than one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from model.loading import hush

    hush()
    if backend == "unsloth":
        from training.finetuning.by_unsloth import import_unsloth

        import_unsloth()
    from datasets import disable_progress_bars
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    disable_progress_bars()

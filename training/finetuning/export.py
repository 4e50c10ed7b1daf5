"""An adapter in the forms that others run: by itself, merged into its base, or as a GGUF file for llama.cpp.

What was written is loaded again and has to give the held-out loss of the adapter, before it takes its place. What the
base's licence wants goes along: in the folder, or beside a GGUF as FILE.gguf.NOTICE and the like.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from model.adapter_folder import METADATA, TEMPLATE
from training.finetuning.base import load_trainee, preset_for
from training.finetuning.checkpoints import sync
from training.finetuning.data import read_data
from training.finetuning.errors import ExportError
from training.finetuning.examples import make_examples, spread
from training.finetuning.libraries import ready
from training.finetuning.licences import copies_in, licence_of
from training.finetuning.source import TrainedAdapter

Form = Literal["adapter", "merged", "gguf"]
TOLERANCE: dict[Form, float] = {"adapter": 0.001, "merged": 0.02, "gguf": 0.05}
"""How far the held-out loss may be from the adapter's, in nats a token: rounding to 16 bits costs little."""
CONVERTER = "convert_hf_to_gguf.py"


@dataclass(frozen=True, slots=True)
class Options:
    """How to export."""

    out: Path
    data: Path | None = None
    rows: int | None = 40
    """Validation chats for the comparison; None: all."""
    tolerance: float | None = None
    """In nats a token; that of the form where it is not given."""
    llama_cpp: Path | None = None
    """A checkout of llama.cpp, for GGUF."""
    outtype: str = "bf16"
    """The type of a GGUF's weights, as llama.cpp's converter names it."""
    embedded_source: Path | None = None
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written, and both held-out losses."""

    path: Path
    before: float
    after: float


def export(source: TrainedAdapter, form: Form, options: Options) -> Exported:
    """Write the form and check it. Raises `ExportError`, or what loading the base raises."""
    if options.out.exists():
        raise ExportError(f"{options.out} exists already: choose another --out")
    converter = find_converter(options.llama_cpp) if form == "gguf" else None
    ready()
    scale = _Scale(source, options)
    before = scale.of_adapter(source.folder)
    with _in_one_step(options.out) as made:
        if form == "adapter":
            shutil.copytree(source.folder, made)
            after = scale.of_adapter(made)
        elif form == "merged":
            _merge(source, made, options)
            after = scale.of_model(str(made))
        else:
            _convert(source, made, options, converter)
            after = scale.of_model(str(made.parent), gguf_file=made.name)
        allowed = TOLERANCE[form] if options.tolerance is None else options.tolerance
        if not abs(after - before) <= allowed:
            raise ExportError(
                f"what was written has a held-out loss of {after:.4f}, the adapter {before:.4f}: "
                f"they are farther apart than {allowed:g}, so it was not kept"
            )
    return Exported(options.out, before, after)


@contextmanager
def _in_one_step(out: Path) -> Iterator[Path]:
    """A name to write under, beside `out`, that becomes `out` when all went well; what lies beside it goes first."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        made = Path(scratch) / out.name
        yield made
        sync(made.parent)
        for path in sorted(made.parent.iterdir(), key=lambda path: path == made):
            path.replace(out.parent / path.name)


def find_converter(llama_cpp: Path | None) -> Path:
    """llama.cpp's converter: in the checkout that is named, that of $LLAMA_CPP, or on the path.

    Raises `ExportError` with the remedy.
    """
    named = llama_cpp or (Path(os.environ["LLAMA_CPP"]) if os.environ.get("LLAMA_CPP") else None)
    found = named / CONVERTER if named else Path(shutil.which(CONVERTER) or "")
    if not found.is_file():
        where = f"{named} has no {CONVERTER}" if named else f"{CONVERTER} was not found"
        raise ExportError(
            f"{where}: GGUF files are made by llama.cpp's own converter. "
            "git clone https://github.com/ggml-org/llama.cpp, pip install sentencepiece, and give that folder with "
            "--llama-cpp or in LLAMA_CPP. --to merged needs nothing more."
        )
    return found


class _Scale:
    """What weighs models: the same validation chats for all, in the recipe's prompt format."""

    def __init__(self, source: TrainedAdapter, options: Options) -> None:
        self._recipe = source.recipe.model_copy(
            update={"loss": source.recipe.loss.model_copy(update={"tokens": "answers"})}
        )
        self._options = options
        self._batches: Any = None

    def of_adapter(self, folder: Path) -> float:
        """Held-out loss of an adapter over its base as it was trained on."""
        _free_memory()
        options = self._options
        trainee = load_trainee(
            self._recipe,
            "transformers",
            adapter=folder,
            embedded_source=options.embedded_source,
            cache=options.cache,
        )
        if self._batches is None:
            from training.finetuning.sft import held_out, pad_id

            examples, _ = make_examples(read_data(options.data).validation, self._recipe, trainee.tokenizer)
            rows = spread(examples, options.rows)
            self._batches = held_out(rows, self._recipe.packing, pad_id(trainee.tokenizer))
        return self._weigh(trainee.model, trainee.model.get_base_model())

    def of_model(self, where: str, gguf_file: str | None = None) -> float:
        """Held-out loss of a whole model that was written."""
        import torch
        from transformers import AutoModelForCausalLM, GgufConfig

        from model.loading import device

        _free_memory()
        more: dict[str, Any] = {}
        if gguf_file:
            more = {"gguf_file": gguf_file, "quantization_config": GgufConfig(dequantize=True)}
        model = AutoModelForCausalLM.from_pretrained(
            where,
            dtype=torch.bfloat16 if device() == "cuda" else torch.float32,
            device_map={"": device()},
            trust_remote_code=False,
            **more,
        )
        model.requires_grad_(False)
        if self._recipe.packing:
            from training.finetuning.attention import IMPLEMENTATION, register

            register()
            model.set_attn_implementation(IMPLEMENTATION)
        return self._weigh(model, model)

    def _weigh(self, model: Any, base: Any) -> float:
        from training.finetuning.head import add_loss
        from training.finetuning.trainers import held_out_loss

        add_loss(base)
        return held_out_loss(model, self._batches)[0]


def _free_memory() -> None:
    """Let go of models that nobody uses any more: they refer to themselves, and the next one needs their room."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _merge(source: TrainedAdapter, out: Path, options: Options) -> None:
    """The base in 16 bits with the adapter's products added to its weights, and its tokenizer.

    A base of 4 bits is turned back into 16 first: the adapter was trained on what these 4 bits say, so that it
    fits them better than the weights that they were made of, and adding it to 4 bits would lose most of it.
    """
    import torch

    _free_memory()
    trainee = load_trainee(
        source.recipe.model_copy(update={"packing": None}),
        "transformers",
        adapter=source.folder,
        dequantised=True,
        embedded_source=options.embedded_source,
        cache=options.cache,
    )
    merged = trainee.model.merge_and_unload().to(torch.bfloat16)
    merged.save_pretrained(str(out))
    trainee.tokenizer.save_pretrained(str(out))
    for paper in (TEMPLATE, METADATA):
        if (source.folder / paper).is_file():
            shutil.copyfile(source.folder / paper, out / paper)
    _write_terms(source, f"{out}/")


def _write_terms(source: TrainedAdapter, prefix: str) -> None:
    """What the base's licence wants to go along with a whole model, each under its name with this before it."""
    notice = licence_of(preset_for(source.recipe).base).notice(merged=True)
    Path(f"{prefix}NOTICE").write_text(notice, encoding="utf-8")
    for copy in copies_in(source.folder):
        shutil.copyfile(copy, f"{prefix}{copy.name}")


def _convert(source: TrainedAdapter, out: Path, options: Options, converter: Path | None) -> None:
    """The merged model as one GGUF file, what goes along beside it."""
    with tempfile.TemporaryDirectory(prefix="fanfabler-merged-", dir=out.parent) as scratch:
        _merge(source, Path(scratch) / "model", options)
        command = [sys.executable, str(converter), str(Path(scratch) / "model"), "--outfile", str(out)]
        ended = subprocess.run(  # noqa: S603 - the converter that the operator named
            [*command, "--outtype", options.outtype], capture_output=True, text=True, check=False
        )
        if ended.returncode or not out.is_file():
            last = "\n".join(ended.stderr.strip().splitlines()[-5:])
            raise ExportError(f"{converter} failed:\n{last}")
    _write_terms(source, f"{out}.")

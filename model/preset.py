"""Presets: which model the worker serves, and how.

A preset is a YAML file, one of those in `model/presets/` or anybody's own. It is read with the safe loader
and checked field by field; this module says what the fields mean, and nothing here loads a model.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.engine.errors import PresetError
from model.yaml_files import BadYaml, read_extending

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
PRESETS = Path(str(files("model"))) / "presets"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Base(_Frozen):
    """The base model: where its weights come from."""

    source: Literal["hub", "embedded", "random", "fake"]
    """`hub`: a repository or folder in Hugging Face's layout. `embedded`: the packaged Gemma 3 270M.
    `random`: made here from `shape` and `seed`. `fake`: no model at all, see `model.engine.fake`."""
    name: Name
    """What it is called in `GET /v1/models` and in a request's `model`."""
    repo: str | None = None
    """`hub`: the repository's id, or a folder."""
    revision: str | None = None
    gated: bool = False
    """Whether Hugging Face wants a licence accepted and a token for it."""
    shape: dict[str, Any] | None = None
    """Arguments of the model's configuration class, for random weights of the same size."""
    model_type: str = "llama"
    """Which architecture `shape` is of, in transformers' terms."""
    tokenizer: Literal["repo", "llama3", "bytes"] = "repo"
    """`repo`: the one beside the weights. `llama3`: the real one, from the package `llama-models`. `bytes`:
    single bytes and Llama 3's special tokens, made in the process."""
    seed: int = 0
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """`auto`: bfloat16 on a GPU that has it, float32 on a CPU (where bfloat16 is ten times
    slower without AMX or AVX512-BF16)."""
    quantisation: Literal["none", "nf4"] = "none"
    """`nf4`: 4 bits with double quantisation, by bitsandbytes."""
    prompt_format: str
    """How the bare base is prompted; a name in `model.prompt.FORMATS`."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.source == "hub" and not self.repo:
            raise ValueError("source 'hub' needs a 'repo'")
        if self.source == "random" and not self.shape:
            raise ValueError("source 'random' needs a 'shape'")
        return self


class Adapter(_Frozen):
    """A LoRA adapter in PEFT's layout, safetensors only. The base stays available beside it."""

    name: Name
    repo: str | None = None
    """A repository's id on Hugging Face's hub …"""
    revision: str | None = None
    path: Path | None = None
    """… or a folder, relative to the preset's file."""
    optional: bool = False
    """Whether the preset runs bare where the folder does not exist."""
    prompt_format: str
    """The format it was trained with; a name in `model.prompt.FORMATS`."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.repo is None) == (self.path is None):
            raise ValueError("give either 'repo' or 'path'")
        return self


class SamplingDefaults(_Frozen):
    """What a request gets where it does not say; see `model.engine.base.Sampling`."""

    temperature: float = Field(default=0.8, ge=0, le=2)
    top_p: float = Field(default=0.95, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    repetition_penalty: float = Field(default=1.0, ge=0.01, le=2)
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    penalize_nl: bool = True
    dry_multiplier: float = Field(default=0.0, ge=0, le=10)
    dry_base: float = Field(default=1.75, ge=1, le=4)
    dry_allowed_length: int = Field(default=2, ge=1)
    max_tokens: int = Field(default=512, ge=1)


class Memory(_Frozen):
    """What running it takes, in GiB, weights and cache and working space together."""

    gpu: float | None = Field(default=None, ge=0)
    """Memory on one GPU; none where it runs on the CPU."""
    ram: float = Field(ge=0)
    disk: float = Field(default=0, ge=0)
    """For the download or the prepared copy."""


class EngineOptions(_Frozen):
    """Sizes of the engine. Those left out are derived from the machine when the model is loaded."""

    slots: int | None = Field(default=None, ge=1, le=1024)
    """Requests generated at once; 16 on a CPU, 64 on a GPU."""
    queue_limit: int | None = Field(default=None, ge=0)
    """Requests that may wait beyond those; four for each slot."""
    block_size: int | None = Field(default=None, ge=4)
    """Tokens in a block of the KV cache, which is also the grain of prefix sharing."""
    num_blocks: int | None = Field(default=None, ge=1)
    max_batch_tokens: int | None = Field(default=None, ge=16)
    """Tokens in one step of the engine: the longest piece of a prompt that holds up the answers beside it."""
    max_memory_percent: float | None = Field(default=None, gt=0, le=0.95)
    """Share of the free GPU memory that the cache takes."""
    prefix_sharing: bool = True
    """Prompts that begin alike have that once in the cache. A step reads no more tokens than the cache has room for,
    and what is shared counts for each request that shares it: the youngest may come to a halt while blocks are free,
    until older ones end. More `num_blocks` help, or fewer `slots`. Models with sliding windows have more
    room for reading."""
    attention: Literal["by-request", "transformers"] | None = None
    """`by-request`: ours, see `model.engine.attention`. `transformers`: flash attention where it is installed, else
    torch's with a mask over all requests. By request on a CPU, transformers' on a GPU."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of torch on a CPU; where not given, as many as there are physical cores to be used."""


class Preset(_Frozen):
    """One way to run the worker."""

    name: Name
    description: str
    base: Base
    adapter: Adapter | None = None
    adapter_prompt_format: str | None = None
    """The format of adapters that are loaded later and do not say theirs; the bare base's where not given."""
    max_lora_rank: int = Field(default=64, ge=1, le=512)
    """The highest rank of an adapter."""
    context_length: int = Field(ge=64)
    """Tokens of prompt and answer together, `max_model_len` in the API."""
    sampling: SamplingDefaults = SamplingDefaults()
    memory: Memory
    engine: EngineOptions = EngineOptions()
    notice: str = ""
    """What the licence wants shown where the model is used."""
    file: Path
    """Where it was read from."""

    def adapter_folder(self) -> Path | None:
        """The adapter's local folder, whether or not it exists; None for one on the hub or none at all."""
        if self.adapter is None or self.adapter.path is None:
            return None
        return (self.file.parent / self.adapter.path).resolve()

    def active_adapter(self) -> Adapter | None:
        """The adapter that this preset runs with here: none where an optional one is absent."""
        folder = self.adapter_folder()
        if self.adapter is not None and self.adapter.optional and folder is not None:
            return self.adapter if (folder / "adapter_config.json").is_file() else None
        return self.adapter


def list_presets() -> list[Preset]:
    """The packaged presets, by name."""
    return [load_preset(path) for path in sorted(PRESETS.glob("*.yaml"))]


def load_preset(name_or_path: str | Path) -> Preset:
    """The packaged preset of this name, or the one in this YAML file.

    Raises `PresetError`, with the field at fault.
    """
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = PRESETS / f"{name_or_path}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(found.stem for found in PRESETS.glob("*.yaml")))
            raise PresetError(
                f"There is no preset '{name_or_path}'. There are: {known}; or give a YAML file."
            )
    try:
        fields = read_extending(path, "preset", PRESETS)
    except BadYaml as error:
        raise PresetError(str(error)) from None
    try:
        return Preset.model_validate({"name": path.stem, **fields, "file": path.resolve()})
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'preset'}: {fault['msg']}" for fault in error.errors()
        )
        raise PresetError(f"{path}: {faults}") from None

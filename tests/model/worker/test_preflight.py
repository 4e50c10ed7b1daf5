"""What is said before anything is loaded where a machine cannot run a preset."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web

from model import preflight
from model.engine.errors import CannotRun
from model.machine import GIB, Machine
from model.preset import Preset, load_preset

GPU = Machine(
    ram=64 * GIB,
    free_ram=60 * GIB,
    gpu="NVIDIA L4",
    gpu_memory=22 * GIB,
    free_gpu_memory=21 * GIB,
    torch_has_cuda=True,
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    def become(**change) -> None:
        monkeypatch.setattr(preflight, "this_machine", lambda: replace(GPU, **change))

    become()
    return become


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"gpu": None}, "needs a GPU of 9 GiB and this machine has none: use --preset embedded"),
        ({"torch_has_cuda": False}, "install torch's CUDA build"),
        ({"gpu_memory": 6 * GIB}, "needs 9 GiB of GPU memory and the NVIDIA L4 has 6"),
        (
            {"free_gpu_memory": 3 * GIB},
            "needs 9 GiB of GPU memory and 3.0 of the NVIDIA L4's 22 are free: end what else",
        ),
        ({"free_ram": 2 * GIB}, "needs 8 GiB of memory and 2.0 are free"),
    ],
)
def test_one_sentence_says_what_is_missing_and_what_to_do(machine, change: dict, sentence: str):
    machine(**change)
    with pytest.raises(CannotRun, match=sentence.replace(".", r"\.")) as refusal:
        preflight.check(load_preset("llama3-8b"))
    assert str(refusal.value).count(".\n") == 0


def test_missing_packages_are_named_with_the_extra_that_has_them(machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(preflight, "installed", lambda module: module != "bitsandbytes")
    with pytest.raises(CannotRun, match=r"pip install 'fanfabler\[gpu\]'"):
        preflight.check(load_preset("llama3-tiny"))


def test_weights_that_are_not_here_and_cannot_be_had_are_said_so(machine, monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CannotRun, match=r"unsloth/llama-3-8b.*is not on this machine.*HF_HUB_OFFLINE"):
        preflight.check(load_preset("llama3-8b"))


def test_random_weights_need_no_download(machine):
    preflight.check(load_preset("llama3-8b"), random_weights=True)


def test_an_adapter_in_another_form_than_safetensors_is_refused(machine, tmp_path: Path):
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    fields = load_preset("tiny").model_dump() | {
        "adapter": {"name": "a", "path": tmp_path, "prompt_format": "llama3"}
    }
    with pytest.raises(CannotRun, match=r"no adapter_model\.safetensors"):
        preflight.check(Preset.model_validate(fields))


def test_a_path_that_is_no_model_is_refused(machine, tmp_path: Path):
    with pytest.raises(CannotRun, match="neither a GGUF file nor a Hugging Face folder"):
        preflight.check(load_preset("embedded"), embedded_source=tmp_path / "nothing.gguf")


GATED = "meta-llama/Meta-Llama-3.1-8B-Instruct"
OPEN = "unsloth/llama-3-8b-Instruct-bnb-4bit"


@pytest.fixture
async def hub(machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A hub on loopback: `hub[path] = (status, code)` has it refuse as Hugging Face's does, the rest is there."""
    from huggingface_hub import constants

    refusals: dict[str, tuple[int, str]] = {}

    async def answer(request: web.Request) -> web.Response:
        status, code = refusals.get(request.path, (200, ""))
        body = {"id": "x", "sha": "0", "siblings": [], "tags": [], "private": False}
        return web.json_response(body, status=status, headers={"X-Error-Code": code} if code else {})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{runner.addresses[0][1]}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    yield refusals
    await runner.cleanup()


async def complaint(name: str, **base) -> str | None:
    """What is said before this preset is loaded, with these fields of its base changed."""
    preset = load_preset(name)
    changed = preset.model_copy(update={"base": preset.base.model_copy(update=base)})
    try:
        await asyncio.to_thread(preflight.check, changed)
    except CannotRun as refusal:
        return str(refusal)
    return None


async def test_what_the_hub_has_and_lets_us_have_is_no_obstacle(hub):
    assert await complaint("llama3-8b") is None
    assert await complaint("llama3.1-8b") is None


@pytest.mark.parametrize(
    ("preset", "path", "refusal", "sentence"),
    [
        (
            "llama3.1-8b",
            f"/api/models/{GATED}",
            (401, "RepoNotFound"),
            f"{GATED} is gated: accept its licence at",
        ),
        ("llama3.1-8b", f"/api/models/{GATED}/auth-check", (403, "GatedRepo"), "and set HF_TOKEN"),
        ("llama3.1-8b", f"/api/models/{GATED}/auth-check", (401, ""), "is gated"),
        ("llama3-8b", f"/api/models/{OPEN}", (401, "RepoNotFound"), f"There is no repository {OPEN}"),
        ("llama3-8b", f"/api/models/{OPEN}", (500, ""), "out of reach (it answers 500): download it where"),
    ],
)
async def test_what_the_hub_refuses_is_told_with_the_remedy(
    hub, preset: str, path: str, refusal: tuple[int, str], sentence: str
):
    hub[path] = refusal
    said = await complaint(preset)
    assert said is not None
    assert sentence in said
    assert "\n" not in said


async def test_a_revision_that_is_not_there_is_named(hub):
    hub[f"/api/models/{OPEN}/revision/v9"] = (404, "RevisionNotFound")
    assert "has no revision v9" in (await complaint("llama3-8b", revision="v9") or "")


async def test_a_folder_without_weights_is_told_apart_from_a_repository(hub, tmp_path: Path):
    for repo in (str(tmp_path), "./nowhere", "no/such/folder"):
        assert f"There are no weights in {repo}: put" in (await complaint("llama3-8b", repo=repo) or "")
    assert "neither a folder nor a repository's id" in (
        await complaint("llama3-8b", repo="what is this") or ""
    )


def test_weights_of_which_a_part_is_missing_are_not_downloaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    import huggingface_hub

    from model.machine import downloaded

    snapshot = tmp_path / "models--me--mine" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--me--mine" / "refs").mkdir()
    (tmp_path / "models--me--mine" / "refs" / "main").write_text("abc")
    find = partial(huggingface_hub.try_to_load_from_cache, cache_dir=tmp_path)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", find)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    (snapshot / "model-1.safetensors").touch()
    assert not downloaded("me/mine")
    (snapshot / "model-2.safetensors").touch()
    assert downloaded("me/mine")

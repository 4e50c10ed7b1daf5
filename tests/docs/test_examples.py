"""Examples of files in the documentation are read by what is to read them: presets, requests, Compose, .env."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose

from model.preset import load_preset
from model.server.admin import LoadAdapterRequest, UnloadAdapterRequest
from model.server.openapi import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
# Compose's own, beside FanFabler's settings: the comments of compose.yaml have them.
OF_COMPOSE = {"POSTGRES_PASSWORD", "WORKER_BIND", "TRAINER_BIND", "TORCH_INDEX", "HF_TOKEN"}
# Of other programs, and of the tests, that the pages set.
FOREIGN = {
    "FUZZ_EXAMPLES",
    "TEST_DATABASE",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING",
    "VLLM_SERVER_DEV_MODE",
    "HF_HOME",
    "DISCORD_TOKEN",
    "REQUIRE_ALL",
}


def fenced(kind: str) -> list[tuple[str, str]]:
    """(page, text) of the fenced blocks of a kind."""
    return [
        (page.name, text)
        for page in PAGES
        for text in re.findall(rf"^```{kind}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]


@pytest.mark.parametrize(("page", "text"), fenced("yaml"))
def test_yaml_is_a_preset_or_for_compose(page: str, text: str, tmp_path: Path) -> None:
    if "services" in yaml.safe_load(text):
        PyCompose.from_yaml(text).validate()
    else:
        path = tmp_path / "mine.yaml"
        path.write_text(text)
        assert load_preset(str(path)).name == "mine"


def test_requests_to_the_worker_are_what_it_takes() -> None:
    sent = 0
    for page in PAGES:
        for route, body in re.findall(
            r"curl http://127\.0\.0\.1:8000(/\S+).*?-d '(\{.*?\})'", page.read_text(), re.DOTALL
        ):
            assert ("post", route) in OPERATIONS, page.name
            kind = {
                "/v1/load_lora_adapter": LoadAdapterRequest,
                "/v1/unload_lora_adapter": UnloadAdapterRequest,
            }[route]
            assert set(json.loads(body)) <= set(kind.model_fields)
            sent += 1
    assert sent >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_that_are_named_are_there(page: Path) -> None:
    known = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    named = set(re.findall(r"\b([A-Z]+(?:_[A-Z]+)+)(?==)", page.read_text()))
    assert named <= known | OF_COMPOSE | FOREIGN

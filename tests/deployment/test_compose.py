"""compose.yaml and the Dockerfile: valid by the Compose specification's own JSON schema (check-jsonschema carries it)
and for a parser of the specification, and true to the code's own settings, commands and versions. No image is built
here; `tests.deployment.image` plays an image's steps in a folder."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose
from pydantic_settings import BaseSettings

from bot.__main__ import _parser as bot_parser
from bot.settings import Settings
from model.__main__ import _parser as model_parser
from model.settings import WorkerSettings
from tests.deployment.schemas import by_schema
from training.__main__ import _parser as training_parser
from training.serving.settings import TrainerSettings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PARSERS = {"bot": bot_parser, "model": model_parser, "training": training_parser}
SETTINGS: dict[str, type[BaseSettings]] = {
    "bot": Settings, "worker-cpu": WorkerSettings, "worker-gpu": WorkerSettings, "trainer": TrainerSettings,
}  # fmt: skip
# Read by libraries and not by FanFabler.
FOREIGN = {"HF_TOKEN", "HF_HOME"}


class NoAliases(yaml.SafeDumper):
    """Writes everything out, as Compose does when it has read the file."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def interpolated(text: str, environment: dict[str, str]) -> str:
    """The file as Compose reads it with these variables."""

    def value(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"] or ""
        given = environment.get(name)
        return default if given is None or (match["empty"] and not given) else given

    return re.sub(r"\$\{(?P<name>\w+)(?:(?P<empty>:?)-(?P<default>[^}]*))?\}", value, text)


def copied() -> dict[str, str]:
    """What a copy of `.env.example` sets."""
    text = (ROOT / ".env.example").read_text()
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))


def parsed(**environment: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(interpolated(COMPOSE, environment))
    return document


def check(document: dict[str, Any]) -> None:
    """Raises `ValueError` for what is not Compose's: the schema knows forms, the parser what belongs together."""
    by_schema("compose-spec", document)
    PyCompose.from_yaml(yaml.dump(document, Dumper=NoAliases)).validate()


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = parsed()["services"][name]
    return found


def test_it_is_a_compose_file() -> None:
    check(parsed())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("helthcheck", {}),
        ("restart", "sometimes"),
        ("ports", ["x:y"]),
        ("networks", ["nowhere"]),
        ("healthcheck", {"interval": "often"}),
    ],
)
def test_what_is_no_compose_file_is_found_out(key: str, value: object) -> None:
    document = parsed()
    document["services"]["bot"][key] = value
    with pytest.raises(ValueError, match=r"\w"):
        check(document)


def test_the_schema_alone_finds_a_wrong_key_and_a_wrong_value() -> None:
    document = parsed()
    by_schema("compose-spec", document)
    for wrong in ({"helthcheck": {}}, {"cap_drop": "ALL"}, {"restart": 3}):
        services = {**document["services"], "bot": {**document["services"]["bot"], **wrong}}
        with pytest.raises(ValueError, match=r"bot"):
            by_schema("compose-spec", {**document, "services": services})


def test_every_volume_is_declared() -> None:
    document = parsed()
    used = {volume.split(":")[0] for s in document["services"].values() for volume in s.get("volumes", ())}
    assert used == set(document["volumes"])


def test_the_env_example_is_enough_to_read_it() -> None:
    document = parsed(**copied())
    check(document)
    bot = document["services"]["bot"]
    assert bot["environment"]["WORKER_URL"] == "http://worker:8000/v1"
    assert parsed(WORKER_URL="http://10.77.0.2:8000/v1")["services"]["bot"]["environment"]["WORKER_URL"] == (
        "http://10.77.0.2:8000/v1"
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_what_is_set_is_a_setting_of_that_process(name: str) -> None:
    known = {field.upper() for field in SETTINGS[name].model_fields} | FOREIGN
    assert set(service(name)["environment"]) <= known


@pytest.mark.parametrize("name", ["worker-cpu", "worker-gpu", "trainer"])
def test_what_is_set_in_env_gets_there(name: str) -> None:
    """All but where it listens, which is an option of the command, and its folders, which are the image's."""
    wanted = {field.upper() for field in SETTINGS[name].model_fields} - {"TRAINER_HOST", "TRAINER_PORT"}
    marked = {setting: f"of-env-{setting}" for setting in wanted - set(image_environment(name))}
    given = parsed(**marked)["services"][name]["environment"]
    assert {setting: given.get(setting) for setting in marked} == marked
    assert set(image_environment(name)) & set(given) <= {"LOG_FORMAT"}


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("more", [{}, {"PULSE_FILE": "", "LOG_FORMAT": ""}])
def test_a_copy_of_the_example_leaves_the_image_its_own_settings(name: str, more: dict[str, str]) -> None:
    """The image's, then the file's, then the service's: that is the order in which Compose sets them."""
    from_file = copied() | more
    found = parsed(**from_file)["services"][name]
    in_image = image_environment(name)
    settled = in_image | (from_file if "env_file" in found else {}) | found["environment"]
    for setting in {"PULSE_FILE", "LOG_FORMAT"} & set(in_image):
        assert settled[setting] == in_image[setting]
    assert ("PULSE_FILE" in settled) == (name == "bot")


@pytest.mark.parametrize("name", ["worker-cpu", "worker-gpu", "trainer"])
def test_only_the_bot_gets_its_token(name: str) -> None:
    assert "env_file" not in service(name)
    assert "DISCORD_TOKEN" not in service(name)["environment"]


@pytest.mark.parametrize("name", ["worker-cpu", "worker-gpu", "trainer"])
def test_ports_are_on_the_loopback_address_unless_somebody_says_otherwise(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service(name)["ports"])


@pytest.mark.parametrize("name", SETTINGS)
def test_containers_are_locked_down(name: str) -> None:
    found = service(name)
    assert found["cap_drop"] == ["ALL"]
    assert found["read_only"] is True
    assert found["security_opt"] == ["no-new-privileges:true"]


def test_profiles_are_those_that_the_guide_names() -> None:
    services = parsed()["services"]
    profiles = {profile for s in services.values() for profile in s.get("profiles", ())}
    assert profiles == {"cpu", "gpu", "trainer"}
    assert [name for name, s in services.items() if "profiles" not in s] == ["bot", "database"]
    guide = (ROOT / "docs" / "deploy.md").read_text() + COMPOSE
    assert set(re.findall(r"--profile ([a-z]+)", guide)) <= profiles


def test_images_have_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    tags = {s["image"].split(":")[1] for name, s in parsed()["services"].items() if name != "database"}
    assert tags == {version}


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage of the Dockerfile, those of the stages it begins with included."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = list(found.get(base, []))
        elif name:
            found[name].append((word, rest))
    return found


def last(name: str, word: str) -> str:
    return [rest for its_word, rest in stages()[name] if its_word == word][-1]


def image_environment(name: str) -> dict[str, str]:
    """What the image itself sets."""
    lines = [rest for word, rest in stages()[name] if word == "ENV"]
    return dict(word.split("=", 1) for line in lines for word in shlex.split(line))


def test_every_image_has_a_stage() -> None:
    targets = {s["build"]["target"] for s in parsed()["services"].values() if "build" in s}
    assert targets == set(SETTINGS)
    assert targets <= set(stages())


@pytest.mark.parametrize("name", SETTINGS)
def test_images_run_as_nobody_special_and_look_after_their_health(name: str) -> None:
    assert last(name, "USER") == "10001:10001"
    health = last(name, "HEALTHCHECK")
    program, arguments = module_and_arguments(json.loads(health[health.index("CMD ") + 4 :]))
    assert understood(program, arguments).command == "health"


@pytest.mark.parametrize("name", SETTINGS)
def test_what_images_start_is_a_command(name: str) -> None:
    program, before = module_and_arguments(json.loads(last(name, "ENTRYPOINT")))
    options = understood(program, [*before, *json.loads(last(name, "CMD"))])
    assert options.command in {"run", "serve"}
    if options.command == "serve":
        assert str(options.port) == last(name, "EXPOSE")


@pytest.mark.parametrize("name", SETTINGS)
def test_what_images_set_is_a_setting(name: str) -> None:
    names = set(image_environment(name))
    known = {field.upper() for field in SETTINGS[name].model_fields} | FOREIGN
    systems = {"PATH", "HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "MPLCONFIGDIR"}
    nvidia = {"NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"}
    assert names - systems - nvidia - {"FANFABLER_CACHE"} <= known


def test_nothing_but_what_is_named_goes_into_an_image() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert not {".env", ".git", "runs", ".venv"} & allowed
    assert [name for name in allowed if not (ROOT / name).exists()] == []


def module_and_arguments(words: list[str]) -> tuple[str, list[str]]:
    assert words[:2] == ["python", "-m"]
    return words[2], words[3:]


def understood(program: str, arguments: list[str]) -> argparse.Namespace:
    return PARSERS[program]().parse_args(arguments)

"""What a release needs beside the code: one version everywhere, a changelog, a citation, templates, hooks that are
those of `make check`."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from model.languages import LANGUAGES
from tests.deployment.schemas import by_schema

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
CHECK = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def citation() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    return read


def versions() -> list[tuple[str, str]]:
    """(version, what stands behind it) of each of the changelog's headings."""
    return re.findall(r"^## \[(.+?)\](.*)$", CHANGELOG, re.MULTILINE)


def test_the_changelog_has_this_version() -> None:
    assert PROJECT["version"] in dict(versions())


def test_the_changelog_is_in_order() -> None:
    names = [name for name, _ in versions()]
    assert names[0] == "Unreleased"
    numbers = [tuple(map(int, name.split("."))) for name in names[1:]]
    assert numbers == sorted(set(numbers), reverse=True)
    dates = [date.fromisoformat(rest.removeprefix(" - ")) for _, rest in versions() if rest]
    assert dates == sorted(dates, reverse=True)
    assert set(re.findall(r"^### (.+)$", CHANGELOG, re.MULTILINE)) <= KINDS


def test_the_citation_is_of_this_version_and_licence() -> None:
    cited = citation()
    assert cited["cff-version"] == "1.2.0"
    assert str(cited["version"]) == PROJECT["version"]
    assert " AND ".join(cited["license"]) == PROJECT["license"]


def test_the_citation_is_valid_by_the_schema_of_its_format() -> None:
    by_schema("citation-file-format", citation())
    with pytest.raises(ValueError, match="colour"):
        by_schema("citation-file-format", citation() | {"colour": "blue"})


@pytest.mark.parametrize("path", [t for t in TEMPLATES if t.stem != "config"], ids=lambda path: path.stem)
def test_issue_templates_are_forms(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    by_schema("github-issue-forms", form)
    ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0


def test_the_page_of_issue_templates_is_configured() -> None:
    by_schema("github-issue-config", yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text()))


def test_the_hooks_are_those_of_make_check() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        command = re.sub(r" --force-exclude$", "", hook["entry"]).replace(".venv/bin/", "$(BIN)/")
        assert command in CHECK, hook["id"]


def test_licences_and_cards_are_where_the_readme_says() -> None:
    readme = (ROOT / "README.md").read_text()
    files = [link.split("#")[0] for link in re.findall(r"\]\((?!https?:)([^)#]+)", readme)]
    assert {"LICENSE", "LICENSE-DATA", "NOTICE", "training/data/README.md"} <= set(files)
    assert [name for name in files if not (ROOT / name).exists()] == []
    headings = re.findall(r"^#+ (.+)$", readme, re.MULTILINE)
    targets = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", readme)) <= targets
    assert [name for name in PROJECT["license-files"] if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("card", "licence", "sections"),
    [
        ("model/adapters/embedded/README.md", "gemma", {"Use", "Training", "Evaluation", "Licence"}),
        (
            "training/data/README.md",
            "cc-by-sa-4.0",
            {"A row", "How it was made", "Splits", "Known weaknesses", "Counts", "Licence"},
        ),
    ],
)
def test_the_model_card_and_the_datasheet_are_whole(card: str, licence: str, sections: set[str]) -> None:
    _, about, text = (ROOT / card).read_text().split("---\n", 2)
    facts = yaml.safe_load(about)
    assert facts["license"] == licence
    assert set(facts["language"]) == set(LANGUAGES)
    assert sections <= set(re.findall(r"^## (.+)$", text, re.MULTILINE))
    links = [link for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text) if link]
    assert [link for link in links if not (ROOT / card).parent.joinpath(link).exists()] == []


def test_programs_call_themselves_by_this_version() -> None:
    """To Wikipedia, by the settings' defaults."""
    short = PROJECT["version"].rpartition(".")[0]
    files = [
        ROOT / ".env.example",
        *(p for name in ("bot", "model", "training") for p in (ROOT / name).rglob("*.py")),
    ]
    named = {found for path in files for found in re.findall(r"FanFabler/(\d[\d.]*)", path.read_text())}
    assert named == {short}

"""The documentation's site: built with every warning an error, and its reference is the code's."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import validate

from bot.database.tables import Base

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

pytestmark = pytest.mark.long  # `make check` builds the site each time


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-q",
            "-W",
            "--keep-going",
            "-d",
            folder / "doctrees",
            DOCS,
            folder / "html",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert built.returncode == 0, built.stderr
    return folder / "html"


def words(site: Path, page: str) -> str:
    """What a page shows."""
    body = (site / f"{page}.html").read_text()
    return html.unescape(re.sub(r"<[^>]+>", "", body))


def test_every_page_is_in_the_site(site: Path) -> None:
    pages = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert {page for page in pages if not (site / page).exists()} == set()


def test_every_setting_is_in_the_reference(site: Path) -> None:
    names = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    shown = words(site, "reference/settings")
    assert [name for name in names if name not in shown] == []


def test_every_table_is_in_the_reference(site: Path) -> None:
    shown = words(site, "reference/tables")
    columns = [column.name for table in Base.metadata.tables.values() for column in table.columns]
    assert [name for name in [*Base.metadata.tables, *columns] if name not in shown] == []


@pytest.mark.parametrize(
    "command",
    ["/story start", "/story export", "/canon", "/privacy delete", "/help", "Apps › Write about this"],
)
def test_commands_are_in_the_reference(site: Path, command: str) -> None:
    assert command in words(site, "reference/commands")


@pytest.mark.parametrize("option", ["--preset", "--url", "--recipe", "--json", "--repo"])
def test_options_are_in_the_reference(site: Path, option: str) -> None:
    assert option in words(site, "reference/command-line")


@pytest.mark.parametrize(("server", "page"), [("worker", "http-api"), ("trainer", "trainer-api")])
def test_the_openapi_document_lies_beside_its_page(site: Path, server: str, page: str) -> None:
    text = (site / "reference" / f"{server}.openapi.json").read_text()
    document = json.loads(text)
    validate(document)
    assert f'href="{server}.openapi.json"' in (site / "reference" / f"{page}.html").read_text()
    shown = words(site, f"reference/{page}")
    assert [path for path in document["paths"] if path not in shown] == []
    assert [name for name in document["components"]["schemas"] if name not in shown] == []

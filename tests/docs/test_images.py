"""The pictures of the documentation: small, all shown, and each link finds its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Markdown's own form, MyST's directive, and HTML.
LINK = re.compile(r"!\[[^\]]*\]\(([^)]+\.png)\)|\{image\} (\S+\.png)|<img src=\"([^\"]+\.png)\"")


def shown(page: Path) -> list[Path]:
    """The pictures on a page."""
    found = (next(filter(None, groups)) for groups in LINK.findall(page.read_text(encoding="utf-8")))
    return [(page.parent / address).resolve() for address in found]


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in IMAGES.glob("*.png")}
    assert len(sizes) > 10
    assert {name: size for name, size in sizes.items() if size > 200_000} == {}
    assert sum(sizes.values()) < 3_000_000


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_picture_of_a_page_is_there(page: Path) -> None:
    assert [path for path in shown(page) if not path.is_file()] == []


def test_every_picture_is_shown_somewhere() -> None:
    everywhere = {path for page in PAGES for path in shown(page)}
    assert sorted(path.name for path in IMAGES.glob("*.png") if path not in everywhere) == []

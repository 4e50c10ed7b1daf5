"""The reference pages, written from the code while the site is built: a page with the line
`<!-- generated: NAME -->` gets the Markdown that the source NAME makes of the code as it is. So nothing generated
is kept, and nothing can fall behind. A name that no source has, or a source that fails, fails the build."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError

from fanfabler_reference import command_line, commands, http_api, prompt_example, settings, tables

_MARK = re.compile(r"^<!-- generated: ([a-z-]+) -->$", re.MULTILINE)
SOURCES: dict[str, Callable[[], str]] = {
    "settings": settings.page,
    "commands": commands.page,
    "command-line": command_line.page,
    "worker-api": partial(http_api.page_of, "worker"),
    "trainer-api": partial(http_api.page_of, "trainer"),
    "tables": tables.page,
    "prompt-example": prompt_example.page,
}


def _fill(app: Sphinx, document: str, source: list[str]) -> None:
    def generated(match: re.Match[str]) -> str:
        if match[1] not in SOURCES:
            raise ExtensionError(f"{document}: there is nothing to generate by the name {match[1]}")
        return SOURCES[match[1]]()

    source[0] = _MARK.sub(generated, source[0])


def _outdated(
    app: Sphinx, environment: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Sphinx cannot see that the code has changed, so these pages are always made anew."""
    found = environment.found_docs
    return [name for name in found if _MARK.search(Path(environment.doc2path(name)).read_text())]


def _add_openapi(app: Sphinx, failure: Exception | None) -> None:
    """The documents themselves, beside the pages that show them."""
    if failure is None and app.builder.format == "html":
        for server, document in http_api.documents().items():
            text = json.dumps(document, indent=2, ensure_ascii=False)
            (Path(app.outdir) / "reference" / f"{server}.openapi.json").write_text(text + "\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", _outdated)
    app.connect("build-finished", _add_openapi)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

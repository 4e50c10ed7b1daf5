"""`python -m tests.screenshots [preview plots terminal …] [--locale ko]`: retake the pictures of the documentation."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.browser import chromium_path, running
from tests.model.wikipedia import mediawiki
from tests.screenshots import plots, preview, terminal


def main() -> int:
    """Take what was asked for, or everything; 2 where something is not installed."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--locale", help="of the preview: this one alone")
    options = parser.parse_args()
    path = chromium_path()
    if path is None:
        print("needs Chromium (Debian: apt-get install chromium)", file=sys.stderr)
        return 2
    with TemporaryDirectory() as folder:
        for part in options.parts or PARTS:
            asyncio.run(PARTS[part](path, Path(folder), options.locale))
    return 0


async def _preview(chromium: str, folder: Path, locale: str | None) -> None:
    if lacking := mediawiki.missing():
        raise SystemExit(f"needs a MediaWiki: {lacking}")
    (folder / "wiki").mkdir()
    with mediawiki.serve(folder / "wiki", preview.pages()) as wikipedia:
        for scene in preview.SCENES:
            if locale not in (None, scene.locale):
                continue
            state = folder / scene.locale  # each scene begins in an empty channel
            state.mkdir()
            await preview.make_history(state)
            async with (
                preview.preview(state, wikipedia) as url,
                running(chromium, folder / f"chromium-{scene.locale}") as browser,
            ):
                await preview.take(browser, url, scene)


async def _terminal(chromium: str, folder: Path, _: str | None) -> None:
    async with running(chromium, folder / "chromium") as browser:
        await terminal.doctor(browser, folder)
        await terminal.finetune(browser, folder / "runs")


async def _plots(_: str, folder: Path, __: str | None) -> None:
    run = folder / "runs" / "tiny"
    command = ("-m", "training", "finetune", *terminal.RUN, "--runs", str(run.parent))
    await terminal.show(command, lambda _: False)  # goes on where it was left for the picture of it
    plots.draw_all(folder, run / "metrics.jsonl")


PARTS = {"preview": _preview, "terminal": _terminal, "plots": _plots}

if __name__ == "__main__":
    sys.exit(main())

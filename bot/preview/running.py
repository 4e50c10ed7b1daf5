"""`python -m bot preview`: everything on this machine, with a page in place of Discord, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console
from rich.panel import Panel

from bot.application import build_bot, open_foundation
from bot.preview.session import open_preview, require_packages
from bot.preview.world import GUILD_ID
from bot.running import until_signal
from bot.settings import Settings

PRESET = "embedded"
# The same at every start, so that an open page finds the preview again.
PORT = 8731


async def run_preview(settings: Settings, options: argparse.Namespace) -> int:
    """Serve the page until SIGINT, SIGTERM or the page's own end."""
    require_packages()
    folder: Path = options.state
    _make_folder(folder, fresh=options.fresh)
    await until_signal(_serve(_for_preview(settings, folder, options.preset), folder, options.port))
    return 0


def _make_folder(folder: Path, *, fresh: bool) -> None:
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)


def _for_preview(settings: Settings, folder: Path, preset: str | None) -> Settings:
    """The settings with a database of the preview's own, and the small model unless another is named. Whoever looks at
    the page runs the bot, so its server is the operator's."""
    return settings.model_copy(
        update={
            "database_url": f"sqlite+aiosqlite:///{folder / 'fanfabler.db'}",
            "deletion_log": None,
            "preset": preset or settings.preset or PRESET,
            "operator_guild_ids": (GUILD_ID,),
        }
    )


async def _serve(settings: Settings, folder: Path, port: int) -> None:
    console = Console(stderr=True)
    # Whoever watches the terminal wants the address, not the traffic.
    for name, level in (("discord", logging.ERROR), ("bot", logging.WARNING), ("model", logging.WARNING)):
        logging.getLogger(name).setLevel(level)
    async with AsyncExitStack() as stack:
        with console.status("Loading the model …"):
            opening = open_foundation(settings, worker_arguments=("--log-level", "warning"))
            bot = build_bot(await stack.enter_async_context(opening))
        preview = await stack.enter_async_context(open_preview(bot, folder / "discord.pickle", port=port))
        console.print(
            Panel.fit(
                f"Open this page:\n\n  [link={preview.url}]{preview.url}[/link]\n\n"
                "Type [b]/story start[/] there. Ctrl-C stops everything.",
                title="FanFabler preview",
                border_style="magenta",
            )
        )
        if preview.notice:
            console.print(f"[yellow]{preview.notice}[/]")
        failing = asyncio.create_task(bot.failed())
        closing = asyncio.create_task(preview.wait_closed())
        done, pending = await asyncio.wait({failing, closing}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for task in done:
            task.result()

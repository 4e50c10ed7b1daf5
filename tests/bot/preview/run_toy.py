"""A process that shows the toy bot, as `python -m bot preview` does with the real one: `run_toy.py STATE_FILE PORT`.
Prints the address, then what the bot had in its thread, and ends cleanly on SIGINT and SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from bot.preview import open_preview
from tests.bot.preview.toy_bot import ToyBot


async def main(state_file: str, port: str) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    bot = ToyBot(interval=0.05)
    async with open_preview(bot, Path(state_file), port=int(port)) as preview:
        print(preview.url, flush=True)  # noqa: T201
        print([thread.name for thread in preview.world.channel.threads], flush=True)  # noqa: T201
        if not preview.restored:
            await preview.world.members[0].slash(preview.world.channel, "story start", prompt="The castle")
        await stopped.wait()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    print("closed" if bot.closed_cleanly and not left else f"left over: {left}")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""Run the test Discord alone: `python -m tests.discord_server --port 8700 --state discord.json`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from .core import ServerCore


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.discord_server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--state", type=Path, help="file that keeps the state over restarts")
    parser.add_argument("--demo", action="store_true", help="begin with a guild, a channel and a member")
    parser.add_argument("--attached", action="store_true", help="end when the standard input is closed")
    options = parser.parse_args()
    core = ServerCore(host=options.host, port=options.port, state_file=options.state)
    asyncio.run(serve(core, demo=options.demo, attached=options.attached))


async def serve(core: ServerCore, *, demo: bool, attached: bool) -> None:
    """Until SIGINT or SIGTERM; when `attached`, also until whoever started it is gone."""
    await core.start()
    if demo and not core.world.state.guilds:
        _furnish(core)
        await core.persist()
    print(f"DISCORD_API_BASE={core.api_base}")
    print(f"DISCORD_GATEWAY_URL={core.gateway_url}")
    print(f"DISCORD_TOKEN={core.world.application.token}", flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    if attached:
        # Nothing is ever written to it, so it becomes readable only by being closed.
        loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()
    await core.stop()
    await core.persist()


def _furnish(core: ServerCore) -> None:
    call = core.operations.call
    user_id = call("world.create_user", name="alice", locale="en-US")
    guild_id = call("world.create_guild", name="Library", owner_id=user_id, locale="en-US", with_bot=True)
    call("world.create_channel", guild_id=guild_id, name="fan-fiction", kind=0, parent_id=None, topic=None)


if __name__ == "__main__":
    main()

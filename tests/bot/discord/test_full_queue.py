"""More than the queue takes, on a Discord that has limits: whoever is refused is told, all of them."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from bot.database.tables import Conversation
from tests.databases import migrate, sqlite_url
from tests.discord_server import DiscordServer

THREADS = 150


async def test_whoever_is_refused_by_a_full_queue_is_told_so_once(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path)
    await migrate(url)
    async with DiscordServer() as discord:
        guild = discord.create_guild("Library")
        channel = guild.create_text_channel("shelf")
        members = [guild.add_member(f"member-{n}") for n in range(THREADS)]
        threads = [await member.start_thread(channel, f"story {member.name}") for member in members]
        rows = [
            {
                "guild_id": guild.id,
                "channel_id": channel.id,
                "thread_id": thread.id,
                "opener_id": member.id,
                "title": "a story",
                "language": "en",
            }
            for member, thread in zip(members, threads, strict=True)
        ]
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.execute(insert(Conversation), rows)
        await engine.dispose()
        bot = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "run"),
            env={
                "PATH": os.environ["PATH"],
                "DISCORD_TOKEN": discord.bot_token,
                "DISCORD_API_BASE": discord.api_base,
                "DISCORD_GATEWAY_URL": discord.gateway_url,
                "DATABASE_URL": url,
                "WORKER_URL": "http://127.0.0.1:9/v1",  # none, so nothing leaves the queue
                "WIKIPEDIA_URL": "http://127.0.0.1:9/{code}/api.php",
                "QUEUE_LIMIT": "1",
                "LOG_LEVEL": "ERROR",
            },
            stdin=asyncio.subprocess.DEVNULL,
        )
        try:
            await discord.gateway.connected(timeout=60)
            told = {}
            sent = [
                await member.send(thread, "Go on, please.")
                for member, thread in zip(members, threads, strict=True)
            ]

            def all_told() -> bool:
                replies = [m for thread in threads for m in thread.written if m.author == discord.bot]
                told.update({m.id: m.replies_to for m in replies if m.replies_to is not None})
                return len(told) >= THREADS - 1

            async with asyncio.timeout(120):
                while not all_told():
                    await asyncio.sleep(1.0)
            assert {message.id for message in told.values()} < {message.id for message in sent}
            assert len({message.id for message in told.values()}) == THREADS - 1
            assert not discord.requests.with_status(429)
        finally:
            bot.kill()
            await bot.wait()

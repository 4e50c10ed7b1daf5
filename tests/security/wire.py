"""HTTP as somebody writes it who means no good: byte by byte, without end, packed."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit


async def drip(url: str, head: bytes, *, every: float = 0.05, seconds: float = 60.0) -> float:
    """Send `head` byte by byte, then more of it for ever; returns after how many seconds the server hung up.

    Raises:
        TimeoutError: it never did.
    """
    address = urlsplit(url)
    began = time.monotonic()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    gone = asyncio.create_task(_until_closed(reader))
    sent = 0
    try:
        async with asyncio.timeout(seconds):
            while not gone.done():
                try:
                    writer.write(head[sent : sent + 1] or b"x")
                    await writer.drain()
                except ConnectionError:
                    break
                sent += 1
                await asyncio.wait({gone}, timeout=every)
        return time.monotonic() - began
    finally:
        gone.cancel()
        writer.close()


async def _until_closed(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(65_536):
            pass
    except ConnectionError:
        pass

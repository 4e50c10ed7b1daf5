"""Kills at random moments of everything that a member can be waiting for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tests.discord_server import Channel, ClientRefusedError, Member
from tests.reliability.verify import problems
from tests.reliability.world import LONG, MIDDLE, SHORT, World

VICTIMS = (("bot",), ("worker",), ("bot", "worker"))


@dataclass
class Cell:
    """One kind of trouble in one phase: how often it was tried, and what was wrong afterwards."""

    name: str
    tried: int = 0
    problems: list[str] = field(default_factory=list)


Act = Callable[[World], Awaitable[None]]


def _somebody(world: World) -> tuple[Member, Channel]:
    """Somebody, and the thread of theirs."""
    place = world.random.randrange(len(world.members))
    return world.members[place], world.threads[place]


async def _queueing(world: World) -> None:
    """Commands and messages are just coming in."""
    place = world.random.randrange(len(world.members))
    await asyncio.gather(
        world.members[place].send(world.threads[place], world.next_prompt(SHORT)),
        _slash(world, place),
    )


async def _slash(world: World, place: int) -> None:
    try:
        await world.members[place].slash(
            world.channels[place], "story start", prompt=world.next_prompt(SHORT)
        )
    except (ClientRefusedError, TimeoutError):
        return  # «The application did not respond»: who sees that writes again


async def _waiting(world: World) -> None:
    """Many wait for few slots."""
    for member, thread in zip(world.members, world.threads, strict=False):
        await member.send(thread, world.next_prompt(MIDDLE))


async def _streaming(world: World) -> None:
    """An answer of one message is being written."""
    member, thread = _somebody(world)
    await member.send(thread, world.next_prompt(MIDDLE))
    await _begun(world, thread)


async def _splitting(world: World) -> None:
    """An answer of several messages is going over from one to the next."""
    member, thread = _somebody(world)
    known = len(world.own(thread))
    await member.send(thread, world.next_prompt(LONG))
    await _until(lambda: len(world.own(thread)) > known + 1, 10)


async def _regenerating(world: World) -> None:
    """An answer is being written again in the place of the last one."""
    member, thread = _somebody(world)
    last = next((m for m in reversed(world.own(thread)) if "Again" in m.buttons), None)
    if last is not None:
        await member.click(last, "Again")


async def _exporting(world: World) -> None:
    """A story is being exported, and one is being written beside it."""
    member, thread = _somebody(world)
    await member.send(thread, world.next_prompt(SHORT))
    try:
        await member.slash(thread, "story export", format="epub")
    except (ClientRefusedError, TimeoutError):
        return


PHASES: dict[str, tuple[Act, float]] = {
    "queueing": (_queueing, 0.3),
    "waiting": (_waiting, 1.5),
    "streaming": (_streaming, 1.5),
    "splitting": (_splitting, 1.5),
    "regenerating": (_regenerating, 1.0),
    "exporting": (_exporting, 0.6),
}
"""Phase → what brings it about, and within how many seconds of that the kill falls."""


async def _begun(world: World, thread: Channel) -> None:
    known = len(world.own(thread))
    await _until(lambda: len(world.own(thread)) > known, 5)


async def _until(condition: Callable[[], object], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        await asyncio.sleep(0.02)


def name_of(phase: str, victims: Sequence[str]) -> str:
    """The name of a cell."""
    return f"kill {' and '.join(victims)}, {phase}"


def cells() -> dict[str, Cell]:
    """The matrix, empty."""
    names = (name_of(phase, victims) for phase in PHASES for victims in VICTIMS)
    return {name: Cell(name) for name in names}


async def kill_once(world: World, phase: str, victims: Sequence[str]) -> list[str]:
    """One kill in one phase, and what is wrong after everything runs again."""
    act, window = PHASES[phase]
    acting = asyncio.create_task(act(world))
    # A kill while people are still at it is as good a moment as any.
    await asyncio.wait(
        [acting], timeout=world.random.uniform(0.0, 3.0) if world.random.random() < 0.3 else None
    )
    await asyncio.sleep(world.random.uniform(0.0, window))
    await world.kill(*victims)
    await asyncio.gather(acting, return_exceptions=True)
    if world.random.random() < 0.3:
        await asyncio.sleep(world.random.uniform(0.0, 1.0))
    await world.revive()
    if not await world.settle():
        return [f"nothing came to rest; {line}" for line in await problems(world, may_fail=True)]
    return await problems(world)

"""Opens and closes the preview, in order: saved state, simulated Discord, the bot's login, the page."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from discord.ext import commands

from bot.preview.errors import PreviewError, PreviewPackagesMissing
from bot.preview.saved_state import SavedState, StateKeeper, read
from bot.preview.world import World, build_world, find_world

if TYPE_CHECKING:
    import discord
    from simcord import Env
    from simcord.preview import Preview

log = logging.getLogger(__name__)

PACKAGES = ("simcord", "linkify_it", "markdown_it", "PIL", "regex")
LOOPBACK = ("127.0.0.1", "localhost")
NOT_LIVE = (
    "The page is not live with this version of simcord (it lacks {missing}): an answer appears only when the "
    "bot has finished it. The right version comes with: pip install 'fanfabler[preview]'"
)


@dataclass(frozen=True, slots=True)
class RunningPreview:
    """A preview that is open. `url` holds a secret: whoever has it can act as the members.
    `notice` is a sentence for the person where the page is not live."""

    url: str = field(repr=False)
    env: Env
    world: World
    restored: bool
    notice: str | None
    page: Preview

    async def wait_closed(self) -> None:
        """Return when the person ends the session on the page."""
        await self.page.wait_closed()


def require_packages() -> None:
    """Raise `PreviewPackagesMissing` where simcord or what its page needs is not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise PreviewPackagesMissing(
            f"The preview needs packages that are not installed ({', '.join(missing)}); "
            "get them with: pip install 'fanfabler[preview]'"
        )


@asynccontextmanager
async def open_preview(
    bot: discord.Client,
    state_file: Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    members: Sequence[str] = ("Ada", "Ben"),
    locale: str = "en-US",
) -> AsyncIterator[RunningPreview]:
    """Run the bot on a simulated Discord, with a page for people on this machine.

    The first of `members` owns the server and the bot. With `state_file` the simulated Discord outlives the
    process. `port` 0 takes a free one. `locale` is the members' Discord language at first. On leaving, the
    page is closed, then the bot, then the state is written.
    Raises `PreviewPackagesMissing`, or `PreviewError` where the page cannot be opened.
    """
    require_packages()
    if host not in LOOPBACK:
        raise PreviewError("The preview answers on 127.0.0.1 only. From another machine, use ssh -L.")
    with _unheard(logging.getLogger("discord.state")):  # simcord tries the library out as it is imported
        from simcord import SetupError

    from bot.preview.simulation import background, make_simulation

    saved = await asyncio.to_thread(read, state_file) if state_file is not None else None
    secret = saved.secret if saved is not None else secrets.token_urlsafe(32)
    simulation, missing = make_simulation(bot, saved.backend if saved is not None else None)
    restored = find_world(simulation.env)
    world = restored or build_world(simulation.env, members)
    _give_to(bot, world.members[0].id)
    notice = NOT_LIVE.format(missing=", ".join(missing)) if missing else None
    if notice is not None:
        log.warning("%s", notice)
    async with AsyncExitStack() as stack:
        if state_file is not None:
            state = SavedState(simulation.env.backend, secret)
            keeper = StateKeeper(state_file, state, simulation.changes)
            stack.callback(keeper.write_now)
            await stack.enter_async_context(background(keeper.run()))
        stack.push_async_callback(simulation.close)
        await simulation.start()
        try:
            served = simulation.page(world, secret=secret, port=port, locale=locale)
            page = await stack.enter_async_context(served)
        except SetupError as error:
            raise PreviewError(f"The preview's page cannot be opened: {error}") from error
        yield RunningPreview(page.url, simulation.env, world, restored is not None, notice, page)


@contextmanager
def _unheard(logger: logging.Logger) -> Iterator[None]:
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _give_to(bot: discord.Client, owner_id: int) -> None:
    # simcord's application belongs to the bot itself; the operator's commands ask for a person.
    if isinstance(bot, commands.Bot) and not bot.owner_id and not bot.owner_ids:
        bot.owner_id = owner_id

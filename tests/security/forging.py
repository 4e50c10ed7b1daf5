"""Interactions that no client of Discord would send: custom ids, values and forms of somebody's own making, by whoever
and wherever."""

from __future__ import annotations

from typing import Any

from simcord import ChannelHandle, InteractionResult, MemberActor, UserHandle
from simcord.backend import serializers
from sqlalchemy import select

from bot.database.connection import Database
from bot.database.tables import Base
from tests.bot.world import World

_COMMAND, _COMPONENT, _MODAL = 2, 3, 5
_BUTTON, _LABEL, _TEXT = 2, 18, 4
_SELECTS = {"fas": 3, "fac": 8, "fam": 7}


async def press(
    actor: MemberActor,
    channel: ChannelHandle,
    custom_id: str,
    values: list[str] | None = None,
    *,
    edits: bool = False,
) -> InteractionResult:
    """A press on a button (with `values`: a choice in a select) that nobody was shown, on the channel's first message,
    which is the answer's to edit where it `edits`."""
    kind = _kind(custom_id)
    data: dict[str, Any] = {"custom_id": custom_id, "component_type": kind}
    if values is not None:
        data["values"] = values
    stored = next(iter(actor._env.backend.messages[channel.id].values()))
    message = dict(serializers.message_payload(actor._env.backend, stored))
    # discord.py drops what is not on the message, so it is.
    control = {"type": kind, "id": 2, "style": 2, "label": "x", "custom_id": custom_id, "disabled": False}
    message["components"] = [{"type": 1, "id": 1, "components": [control]}]
    return await actor._dispatch_interaction(
        _COMPONENT, channel, data, extra={"message": message}, source_message_id=stored.id
    )


def _kind(custom_id: str) -> int:
    return _SELECTS.get(custom_id.partition(":")[0], _BUTTON)


async def send_form(
    actor: MemberActor, channel: ChannelHandle, custom_id: str, fields: dict[str, str]
) -> InteractionResult:
    """A form that was never opened, sent in."""
    inputs = [
        {"type": _TEXT, "id": 50 + n, "custom_id": name, "value": fields[name]}
        for n, name in enumerate(fields)
    ]
    components = [{"type": _LABEL, "id": 1 + n, "component": each} for n, each in enumerate(inputs)]
    data = {"custom_id": custom_id, "components": components}
    return await actor._dispatch_interaction(_MODAL, channel, data)


async def command(
    actor: MemberActor, channel: ChannelHandle, root: Any, path: tuple[str, ...], guild_id: int | None = None
) -> InteractionResult:
    """A command that Discord does not show to this member, without any of its options."""
    options: list[dict[str, Any]] = []
    for depth, name in enumerate(reversed(path)):
        options = [{"name": name, "type": 1 if depth == 0 else 2, "options": options}]
    data = {"id": str(root.id), "name": root.name, "type": 1, "options": options}
    if guild_id is not None:
        data["guild_id"] = str(guild_id)
    return await actor._dispatch_interaction(_COMMAND, channel, data)


async def elsewhere(world: World, member: int) -> tuple[MemberActor, ChannelHandle]:
    """A server of this member's own, which the bot is in too, and a channel of it in which the bot has said
    something."""
    user = UserHandle(world.env, world.env.backend.users[world.members[member].id])
    guild = world.env.create_guild("Elsewhere", owner=user)
    channel = guild.create_text_channel("mine")
    actor = MemberActor(world.env, guild, user)
    await world.env.settle()
    thread_before = set(world.threads)
    await actor.slash(channel, "story start", prompt="a story of my own")
    await world.until(lambda: set(world.threads) - thread_before)
    return actor, channel


async def rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All that the database holds, but for who was seen when."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    async with database.reading() as session:
        for table in Base.metadata.sorted_tables:
            if table.name not in {"member"}:
                query = select(table).order_by(*table.primary_key.columns)
                found[table.name] = [tuple(row) for row in await session.execute(query)]
    return found


def thread_of(actor: MemberActor, thread: int) -> ChannelHandle:
    """A thread in the actor's own server."""
    return ChannelHandle(actor._env, actor.guild, actor._env.backend.channels[thread])

"""All actions over one world, put together."""

from __future__ import annotations

from dataclasses import dataclass

from ..payloads.messages import MessagePayloads
from ..state.world import World
from .command_actions import CommandActions
from .followup_actions import FollowupActions
from .guild_actions import GuildActions
from .interaction_actions import InteractionActions
from .message_actions import MessageActions
from .reaction_actions import ReactionActions
from .thread_actions import ThreadActions
from .thread_activity import ThreadActivity


@dataclass(frozen=True)
class Services:
    world: World
    payloads: MessagePayloads
    guilds: GuildActions
    messages: MessageActions
    threads: ThreadActions
    reactions: ReactionActions
    commands: CommandActions
    interactions: InteractionActions
    followups: FollowupActions


def build_services(world: World, origin: str) -> Services:
    """`origin` is the server's own address, for the URLs of attachments."""
    payloads = MessagePayloads(world, origin)
    activity = ThreadActivity(world)
    messages = MessageActions(world, payloads, activity)
    interactions = InteractionActions(world, payloads, messages, activity)
    return Services(
        world=world,
        payloads=payloads,
        guilds=GuildActions(world),
        messages=messages,
        threads=ThreadActions(world, messages, activity),
        reactions=ReactionActions(world, messages, activity),
        commands=CommandActions(world),
        interactions=interactions,
        followups=FollowupActions(world, messages, interactions, activity),
    )

"""Interactions as INTERACTION_CREATE brings them ("Receiving and Responding")."""

from __future__ import annotations

from ..errors import Json
from ..rules.message_form import FILE_LIMIT
from ..rules.permissions import channel_permissions
from ..state.application_records import Interaction, InteractionType
from ..state.message_records import Message
from ..state.world import World
from .channels import partial_channel_payload
from .messages import MessagePayloads, integration_owners
from .people import member_payload, user_payload


def interaction_payload(world: World, messages: MessagePayloads, interaction: Interaction) -> Json:
    channel = world.channel(interaction.channel_id)
    user = world.user(interaction.user_id)
    bot_bits = channel_permissions(world, channel, world.bot.id)
    payload: Json = {
        "id": str(interaction.id),
        "application_id": str(world.application.id),
        "type": int(interaction.type),
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel_id": str(channel.id),
        "channel": partial_channel_payload(world, channel, user.id),
        "app_permissions": str(int(bot_bits)),
        "locale": user.locale,
        "entitlements": [],
        "authorizing_integration_owners": integration_owners(interaction),
        "context": 1 if interaction.guild_id is None else 0,
        "attachment_size_limit": FILE_LIMIT,
    }
    if interaction.guild_id is None:
        payload["user"] = user_payload(user)
    else:
        guild = world.guild(interaction.guild_id)
        member = member_payload(world, guild, guild.members[user.id])
        member["permissions"] = str(int(channel_permissions(world, channel, user.id)))
        payload["member"] = member
        payload["guild_id"] = str(guild.id)
        payload["guild"] = {"id": str(guild.id), "locale": guild.locale, "features": []}
        payload["guild_locale"] = guild.locale
    source = source_message(world, interaction)
    if source is not None:
        payload["message"] = messages.message(source)
    return payload


def source_message(world: World, interaction: Interaction) -> Message | None:
    """The message whose component was used, directly or to open the modal that was submitted."""
    if interaction.type is InteractionType.MESSAGE_COMPONENT and interaction.message_id is not None:
        return world.any_message(interaction.message_id)
    if interaction.opened_by is not None:
        return source_message(world, world.interaction(interaction.opened_by))
    return None

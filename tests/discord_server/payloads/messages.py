"""Messages as JSON (Resources, "Message"), with and without what the content intent withholds."""

from __future__ import annotations

from ..clock import isoformat
from ..errors import Json
from ..rules.emoji import parse
from ..state.application_records import Interaction, InteractionType
from ..state.message_records import Attachment, Message, MessageType
from ..state.world import World
from .channels import thread_payload
from .people import member_payload, user_payload

_WITH_REFERENCED = (
    MessageType.REPLY,
    MessageType.THREAD_STARTER_MESSAGE,
    MessageType.CONTEXT_MENU_COMMAND,
)


class MessagePayloads:
    """Needs the server's own address for the URLs of attachments, e.g. `http://127.0.0.1:4000`."""

    def __init__(self, world: World, origin: str) -> None:
        self._world = world
        self.origin = origin

    def sent(self, message: Message) -> Json:
        """The answer to Create Message, the only one beside the event that has the nonce."""
        nonce = {} if message.nonce is None else {"nonce": message.nonce}
        return {**self.message(message), **nonce}

    def message(self, message: Message, *, nested: bool = False) -> Json:
        """A message as REST answers it; `nested` leaves out the message that it replies to."""
        world = self._world
        payload: Json = {
            "id": str(message.id),
            "channel_id": str(message.channel_id),
            "author": user_payload(world.user(message.author_id)),
            "type": int(message.type),
            "content": message.content,
            "timestamp": isoformat(message.created_at),
            "edited_timestamp": None if message.edited_at is None else isoformat(message.edited_at),
            "tts": message.tts,
            "mention_everyone": message.mentions.everyone,
            "mentions": [user_payload(world.user(user_id)) for user_id in message.mentions.users],
            "mention_roles": [str(role_id) for role_id in message.mentions.roles],
            **self._files_and_embeds(message),
            "components": message.components,
            "pinned": message.pinned_at is not None,
            "flags": message.flags,
        }
        if message.reactions:
            payload["reactions"] = [self._reaction(key, users) for key, users in message.reactions.items()]
        if message.from_webhook:
            payload["webhook_id"] = payload["application_id"] = str(world.application.id)
        self._add_relations(payload, message, nested)
        return payload

    def event(self, message: Message) -> Json:
        """A message as MESSAGE_CREATE and MESSAGE_UPDATE bring it: with guild and members."""
        payload = self.message(message)
        if message.guild_id is None:
            return payload
        guild = self._world.guild(message.guild_id)
        payload["guild_id"] = str(guild.id)
        author = guild.members.get(message.author_id)
        if author is not None:
            payload["member"] = member_payload(self._world, guild, author, with_user=False)
        for mentioned in payload["mentions"]:
            member = guild.members.get(int(mentioned["id"]))
            if member is not None:
                mentioned["member"] = member_payload(self._world, guild, member, with_user=False)
        return payload

    def attachment(self, channel_id: int, attachment: Attachment) -> Json:
        url = f"{self.origin}/attachments/{channel_id}/{attachment.id}/{attachment.filename}"
        payload: Json = {
            "id": str(attachment.id),
            "filename": attachment.filename,
            "size": len(attachment.data),
            "url": url,
            "proxy_url": url,
            "flags": 0,
        }
        if attachment.content_type:
            payload["content_type"] = attachment.content_type
        if attachment.description:
            payload["description"] = attachment.description
        if attachment.ephemeral:
            payload["ephemeral"] = True
        return payload

    def _files_and_embeds(self, message: Message) -> Json:
        """Files that an embed shows by `attachment://name` get their URL there and are not listed."""
        shown: set[str] = set()
        urls = {a.filename: self.attachment(message.channel_id, a)["url"] for a in message.attachments}
        embeds = [_with_urls(embed, urls, shown) for embed in message.embeds]
        files = [a for a in message.attachments if a.filename not in shown]
        return {"attachments": [self.attachment(message.channel_id, a) for a in files], "embeds": embeds}

    def _add_relations(self, payload: Json, message: Message, nested: bool) -> None:
        world = self._world
        reference = message.reference
        if reference is not None:
            payload["message_reference"] = {"type": 0, "channel_id": str(reference.channel_id)}
            if reference.message_id is not None:
                payload["message_reference"]["message_id"] = str(reference.message_id)
            if reference.guild_id is not None:
                payload["message_reference"]["guild_id"] = str(reference.guild_id)
            if message.type in _WITH_REFERENCED and not nested:
                target = world.state.messages.get(reference.channel_id, {}).get(reference.message_id or 0)
                gone = target is None or target.deleted_at is not None
                payload["referenced_message"] = (
                    None if gone or target is None else self.message(target, nested=True)
                )
        thread = world.state.channels.get(message.id)
        if thread is not None and thread.thread is not None:
            payload["thread"] = thread_payload(thread, world.bot.id)
        channel = world.state.channels.get(message.channel_id)
        if channel is not None and channel.thread is not None:
            payload["position"] = message.position
        if message.interaction_id is not None:
            interaction = world.interaction(message.interaction_id)
            payload["interaction_metadata"] = self._interaction_metadata(interaction, message)
            if interaction.type is InteractionType.APPLICATION_COMMAND:
                payload["interaction"] = {
                    "id": str(interaction.id),
                    "type": int(interaction.type),
                    "name": interaction.command_name,
                    "user": user_payload(world.user(interaction.user_id)),
                }

    def _interaction_metadata(self, interaction: Interaction, message: Message | None) -> Json:
        payload: Json = {
            "id": str(interaction.id),
            "type": int(interaction.type),
            "user": user_payload(self._world.user(interaction.user_id)),
            "authorizing_integration_owners": integration_owners(interaction),
        }
        if message is not None and interaction.original_id not in (None, message.id):
            payload["original_response_message_id"] = str(interaction.original_id)
        if interaction.type is InteractionType.MESSAGE_COMPONENT:
            payload["interacted_message_id"] = str(interaction.message_id)
        elif interaction.message_id is not None:
            payload["target_message_id"] = str(interaction.message_id)
        if interaction.opened_by is not None:
            opener = self._world.interaction(interaction.opened_by)
            payload["triggering_interaction_metadata"] = self._interaction_metadata(opener, None)
        return payload

    def _reaction(self, key: str, users: list[int]) -> Json:
        return {
            "count": len(users),
            "count_details": {"burst": 0, "normal": len(users)},
            "me": self._world.bot.id in users,
            "me_burst": False,
            "emoji": parse(key),
            "burst_colors": [],
        }


def _with_urls(embed: Json, urls: dict[str, str], shown: set[str]) -> Json:
    changed = dict(embed)
    for part, key in (("image", "url"), ("thumbnail", "url"), ("footer", "icon_url"), ("author", "icon_url")):
        named = str((embed.get(part) or {}).get(key) or "")
        name = named.removeprefix("attachment://")
        if name != named and name in urls:
            shown.add(name)
            changed[part] = {**embed[part], key: urls[name]}
    return changed


def integration_owners(interaction: Interaction) -> Json:
    """The guild that installed the application, or "0" in direct messages with the bot."""
    return {"0": str(interaction.guild_id or 0)}


def withheld(payload: Json) -> Json:
    """The message without what needs the message content intent; messages inside it likewise."""
    bare = {**payload, "content": "", "embeds": [], "attachments": [], "components": []}
    if bare.get("referenced_message"):
        bare["referenced_message"] = withheld(bare["referenced_message"])
    return bare


def content_is_open(world: World, message: Message) -> bool:
    """Exceptions from the intent: own messages, direct messages, and those that mention the bot."""
    return (
        message.author_id == world.bot.id
        or message.guild_id is None
        or world.bot.id in message.mentions.users
    )

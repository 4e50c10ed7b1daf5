"""Files of a message: new ones from the request, and which of the old ones an edit keeps."""

from __future__ import annotations

from ..errors import Json
from ..rules.message_form import Upload
from ..state.message_records import Attachment, Message
from ..state.world import World


def new_attachments(
    world: World, body: Json, files: list[Upload], *, ephemeral: bool = False
) -> list[Attachment]:
    """The uploaded files, named and described by the entries of `attachments` with their index as id."""
    entries = {str(entry.get("id")): entry for entry in body.get("attachments") or []}
    attachments = []
    for file in files:
        entry = entries.get(file.key, {})
        attachments.append(
            Attachment(
                id=world.ids.next(),
                filename=str(entry.get("filename") or file.filename),
                content_type=file.content_type,
                data=file.data,
                description=entry.get("description"),
                ephemeral=ephemeral,
            )
        )
    return attachments


def keep_attachments(world: World, message: Message, body: Json, files: list[Upload]) -> list[Attachment]:
    """After an edit: old files that `attachments` lists (all, where it is absent), then the new ones.

    API Reference, "Editing Message Attachments".
    """
    kept = message.attachments
    if "attachments" in body:
        listed = {str(entry.get("id")) for entry in body["attachments"] or []}
        kept = [attachment for attachment in kept if str(attachment.id) in listed]
    ephemeral = message.visible_to is not None
    return kept + new_attachments(world, body, files, ephemeral=ephemeral)

"""What an interaction's token allows for 15 minutes: its original answer and follow-up messages."""

from __future__ import annotations

from ..errors import INVALID_WEBHOOK_TOKEN, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK, Json
from ..rules.message_form import Upload, check_message, require_something
from ..state.application_records import CallbackType, Interaction
from ..state.message_records import Message, MessageFlag
from ..state.world import World
from .interaction_actions import InteractionActions
from .message_actions import MessageActions
from .thread_activity import ThreadActivity

ORIGINAL = "@original"


class FollowupActions:
    def __init__(
        self,
        world: World,
        messages: MessageActions,
        interactions: InteractionActions,
        threads: ThreadActivity,
    ) -> None:
        self._world = world
        self._messages = messages
        self._interactions = interactions
        self._threads = threads

    def create(self, application_id: int, token: str, body: Json, files: list[Upload]) -> Message:
        """Create Followup Message; right after a deferral it fills in the deferred answer instead."""
        interaction = self._by_token(application_id, token)
        if interaction.callback_type is CallbackType.DEFERRED_MESSAGE:
            original = self._find(interaction, ORIGINAL)
            if original.flags & MessageFlag.LOADING:
                require_something(body, files)
                return self._change(original, body, files)
        check_message(body, files)
        require_something(body, files)
        channel = self._world.channel(interaction.channel_id)
        message = self._interactions.post(channel, interaction, body, files)
        interaction.followup_ids.append(message.id)
        return message

    def get(self, application_id: int, token: str, which: str) -> Message:
        return self._find(self._by_token(application_id, token), which)

    def edit(self, application_id: int, token: str, which: str, body: Json, files: list[Upload]) -> Message:
        return self._change(self.get(application_id, token, which), body, files)

    def delete(self, application_id: int, token: str, which: str) -> None:
        message = self.get(application_id, token, which)
        self._messages.remove(self._world.channel(message.channel_id), message)

    def _change(self, message: Message, body: Json, files: list[Upload]) -> Message:
        channel = self._world.channel(message.channel_id)
        self._threads.require_open(channel, self._world.bot.id)
        return self._messages.change(channel, message, body, files)

    def _by_token(self, application_id: int, token: str) -> Interaction:
        found = (i for i in self._world.state.interactions.values() if i.token == token)
        interaction = next(found, None)
        if interaction is None or application_id != self._world.application.id:
            raise UNKNOWN_WEBHOOK.error()
        if interaction.acknowledged_at is None:
            raise UNKNOWN_WEBHOOK.error()
        if interaction.expired(self._world.clock.now()):
            raise INVALID_WEBHOOK_TOKEN.error()
        return interaction

    def _find(self, interaction: Interaction, which: str) -> Message:
        message_id = interaction.original_id
        if which != ORIGINAL:
            own = {
                str(known): known for known in [interaction.original_id, *interaction.followup_ids] if known
            }
            message_id = own.get(which)
        if message_id is None:
            raise UNKNOWN_MESSAGE.error()
        message = self._world.any_message(message_id)
        if message.deleted_at is not None:
            raise UNKNOWN_MESSAGE.error()
        return message

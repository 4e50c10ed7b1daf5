"""Answers to interactions; their tokens stand in for the bot's ("Receiving and Responding", "Endpoints")."""

from __future__ import annotations

from ..actions.services import Services
from .calls import NO_CONTENT, Call, Endpoint, Reply


class InteractionRoutes:
    def __init__(self, services: Services) -> None:
        self._interactions = services.interactions
        self._followups = services.followups
        self._payloads = services.payloads

    def endpoints(self) -> list[Endpoint]:
        callback = "/interactions/{interaction_id}/{token}/callback"
        webhook = "/webhooks/{webhook_id}/{token}"
        message = webhook + "/messages/{which}"
        return [
            Endpoint("POST", callback, self.answer, None, token=False),
            Endpoint("POST", webhook, self.follow_up, "webhook", token=False),
            Endpoint("GET", message, self.get, "webhook", token=False),
            Endpoint("PATCH", message, self.edit, "webhook", token=False),
            Endpoint("DELETE", message, self.delete, "webhook", token=False),
        ]

    def answer(self, call: Call) -> Reply:
        """204, or with `with_response` the callback object."""
        interaction_id, token = call.id("interaction_id"), call.text("token")
        response = self._interactions.answer(interaction_id, token, call.form, call.files)
        return Reply(response) if call.flag("with_response") else NO_CONTENT

    def follow_up(self, call: Call) -> Reply:
        message = self._followups.create(call.id("webhook_id"), call.text("token"), call.form, call.files)
        return Reply(self._payloads.message(message))

    def get(self, call: Call) -> Reply:
        message = self._followups.get(call.id("webhook_id"), call.text("token"), call.text("which"))
        return Reply(self._payloads.message(message))

    def edit(self, call: Call) -> Reply:
        where = call.id("webhook_id"), call.text("token"), call.text("which")
        return Reply(self._payloads.message(self._followups.edit(*where, call.form, call.files)))

    def delete(self, call: Call) -> Reply:
        self._followups.delete(call.id("webhook_id"), call.text("token"), call.text("which"))
        return NO_CONTENT

"""The buttons under an answer. Their custom ids carry the answer's row id, so they work after a restart and need
no memory; what they do is `bot.conversations.service`'s."""

from __future__ import annotations

import enum
import re
from typing import Any, Protocol, Self, cast

import discord
from discord import ui

from bot.answers.stage import Phase
from bot.words import Words, to_say


class Action(enum.StrEnum):
    """What a button does; the value is in its custom id, so it must not change."""

    STOP = "stop"
    REGENERATE = "again"
    CONTINUE = "more"
    RETRY = "retry"
    UP = "up"
    DOWN = "down"
    OLDER = "prev"
    PLACE = "place"
    NEWER = "next"
    BRANCH = "branch"
    BRING_BACK = "back"
    ANEW = "anew"


_LOOKS: dict[Action, tuple[str | None, discord.ButtonStyle]] = {
    Action.STOP: ("⏹️", discord.ButtonStyle.danger),
    Action.REGENERATE: ("🔄", discord.ButtonStyle.secondary),
    Action.CONTINUE: ("✍️", discord.ButtonStyle.primary),
    Action.RETRY: ("🔄", discord.ButtonStyle.primary),
    Action.UP: ("👍", discord.ButtonStyle.secondary),
    Action.DOWN: ("👎", discord.ButtonStyle.secondary),
    Action.OLDER: ("◀️", discord.ButtonStyle.secondary),
    Action.PLACE: (None, discord.ButtonStyle.secondary),
    Action.NEWER: ("▶️", discord.ButtonStyle.secondary),
    Action.BRANCH: ("🌿", discord.ButtonStyle.secondary),
    Action.BRING_BACK: ("🌿", discord.ButtonStyle.secondary),
    Action.ANEW: ("🔄", discord.ButtonStyle.primary),
}
_LABELS: dict[Action, str] = {
    Action.STOP: to_say("Stop"),
    Action.REGENERATE: to_say("Again"),
    Action.CONTINUE: to_say("Go on"),
    Action.RETRY: to_say("Try again"),
    Action.BRANCH: to_say("Branch"),
    Action.BRING_BACK: to_say("Bring it back"),
    Action.ANEW: to_say("Answer anew"),
}
_BY_PHASE: dict[Phase, tuple[Action, ...]] = {
    Phase.WAITING: (Action.STOP,),
    Phase.WRITING: (Action.STOP,),
    Phase.DONE: (Action.REGENERATE, Action.CONTINUE, Action.BRANCH, Action.UP, Action.DOWN),
    Phase.FAILED: (Action.RETRY,),
    Phase.BLOCKED: (Action.REGENERATE,),
    Phase.TAKEN_BACK: (Action.BRING_BACK,),
}


class AnswerPresses(Protocol):
    """The client, as far as a button needs it."""

    async def answer_pressed(self, interaction: discord.Interaction, action: Action, answer_id: int) -> None:
        """A member pressed a button under an answer."""
        ...


class StoryPresses(Protocol):
    """The client, as far as a story's own button needs it."""

    async def story_reopened(self, interaction: discord.Interaction, conversation_id: int) -> None:
        """A member pressed «Open again»."""
        ...


class AnswerButton(ui.DynamicItem[ui.Button[Any]], template=r"ff:(?P<action>[a-z]+):(?P<answer>[0-9]{1,18})"):
    """One button; discord.py makes it anew from the custom id when it is pressed."""

    def __init__(
        self,
        action: Action,
        answer_id: int,
        *,
        label: str | None = None,
        disabled: bool = False,
        row: int | None = None,
    ) -> None:
        emoji, style = _LOOKS[action]
        super().__init__(
            ui.Button(
                custom_id=f"ff:{action}:{answer_id}",
                emoji=emoji,
                label=label,
                style=style,
                disabled=disabled,
                row=row,
            )
        )
        self.action = action
        self.answer_id = answer_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew from what Discord sent."""
        return cls(Action(match["action"]), int(match["answer"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        """Hand it to the client."""
        client = cast("AnswerPresses", interaction.client)
        await client.answer_pressed(interaction, self.action, self.answer_id)


def controls(phase: Phase, answer_id: int, words: Words, *, sibling: int = 1, siblings: int = 1) -> ui.View:
    """The buttons for an answer; `sibling` of `siblings` is shown (from 1)."""
    view = ui.View(timeout=None)
    for action in _BY_PHASE[phase]:
        label = words.say(_LABELS[action]) if action in _LABELS else None
        view.add_item(AnswerButton(action, answer_id, label=label))
    if siblings > 1 and phase in (Phase.DONE, Phase.BLOCKED):
        place = f"{words.number(sibling)}/{words.number(siblings)}"
        view.add_item(AnswerButton(Action.OLDER, answer_id, disabled=sibling == 1, row=1))
        view.add_item(AnswerButton(Action.PLACE, answer_id, label=place, disabled=True, row=1))
        view.add_item(AnswerButton(Action.NEWER, answer_id, disabled=sibling == siblings, row=1))
    return view


def anew_button(answer_id: int, words: Words) -> ui.View:
    """The button under the notice that a message was changed."""
    view = ui.View(timeout=None)
    view.add_item(AnswerButton(Action.ANEW, answer_id, label=words.say(_LABELS[Action.ANEW])))
    return view


class StoryButton(ui.DynamicItem[ui.Button[Any]], template=r"ff-story:open:(?P<conversation>[0-9]{1,18})"):
    """«Open again», under the note that a story was closed; its custom id carries the conversation's row id."""

    def __init__(self, conversation_id: int, label: str | None = None) -> None:
        super().__init__(
            ui.Button(
                custom_id=f"ff-story:open:{conversation_id}",
                emoji="📖",
                label=label,
                style=discord.ButtonStyle.primary,
            )
        )
        self.conversation_id = conversation_id

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Made anew from what Discord sent."""
        return cls(int(match["conversation"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        """Hand it to the client."""
        client = cast("StoryPresses", interaction.client)
        await client.story_reopened(interaction, self.conversation_id)


def reopen_button(conversation_id: int, words: Words) -> ui.View:
    """The button that opens a closed story again."""
    view = ui.View(timeout=None)
    view.add_item(StoryButton(conversation_id, words.say("Open again")))
    return view

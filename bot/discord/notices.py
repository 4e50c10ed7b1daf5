"""The short notices in a thread that are no answers: where a story goes on from, and what was taken back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import discord

from bot.conversations.tree import Branched
from bot.discord.errors import translated
from bot.discord.replies import NOBODY
from bot.errors import BotError
from bot.text.safety import for_title
from bot.words import Words

if TYPE_CHECKING:
    from bot.discord.client import FanFabler, Parts

log = logging.getLogger(__name__)

TAKEN_BACK = "↩️"
_EXCERPT = 60


def branch_notice(words: Words, branched: Branched) -> str:
    """From which answer a story goes on, with a link to it where it stands in the thread."""
    beginning = for_title(branched.beginning, _EXCERPT)
    if branched.discord_message_id is None or branched.thread_id is None:
        return words.say("🌿 The story goes on from an earlier answer: {beginning}", beginning=beginning)
    where = f"{branched.guild_id or '@me'}/{branched.thread_id}/{branched.discord_message_id}"
    return words.say(
        "🌿 The story goes on from an earlier answer: {beginning} ({link})",
        beginning=beginning,
        link=f"https://discord.com/channels/{where}",
    )


def undo_notice(words: Words, name: str, beginning: str) -> str:
    """Who took back what, and how to have it again."""
    return words.say(
        "↩️ {name} took back the last exchange: {beginning}\nJust write on. **/story branch** brings it back.",
        name=for_title(name, 80),
        beginning=for_title(beginning, _EXCERPT) or "…",
    )


async def show_branch(client: FanFabler, parts: Parts, branched: Branched) -> None:
    """Bring the Discord messages of the branch up to date; never fails."""
    for answer_id in branched.show_again:
        await _quietly_again(parts, answer_id)
    if branched.thread_id is not None:
        await mark(client, branched.thread_id, branched.restored, taken_back=False)


async def show_taken_back(parts: Parts, answers: tuple[int, ...], empty: tuple[int, ...]) -> None:
    """Have the messages of answers that were taken back say so, and take down those that show none; never fails."""
    for answer_id in answers:
        await _quietly_again(parts, answer_id)
    await withdraw(parts, empty)


async def withdraw(parts: Parts, answers: tuple[int, ...] | list[int]) -> None:
    """Take down the messages of answers; never fails."""
    for answer_id in answers:
        try:
            await parts.stage.withdraw(answer_id)
        except BotError as error:
            log.info("answer %s could not be taken down: %s", answer_id, error)


async def mark(client: FanFabler, thread_id: int, message_ids: tuple[int, ...], *, taken_back: bool) -> None:
    """Put a mark on members' messages that were taken back, or take it off, where the bot may; never fails."""
    thread = client.get_channel(thread_id)
    if not isinstance(thread, discord.Thread) or client.user is None:
        return
    if not thread.permissions_for(thread.guild.me).add_reactions:
        return
    for message_id in message_ids:
        message = thread.get_partial_message(message_id)
        try:
            if taken_back:
                await message.add_reaction(TAKEN_BACK)
            else:
                await message.remove_reaction(TAKEN_BACK, client.user)
        except discord.HTTPException as error:
            log.debug("message %s could not be marked: %s", message_id, error)


async def remark(
    client: FanFabler, thread_id: int, text: str, view: discord.ui.View | None = None
) -> int | None:
    """Say something in a thread that is no answer; the message's id, or None where Discord does not let it."""
    thread = client.get_partial_messageable(thread_id)
    try:
        with translated():
            sent = await thread.send(
                text, view=view or discord.utils.MISSING, allowed_mentions=NOBODY, suppress_embeds=True
            )
    except BotError as error:
        log.info("nothing could be said in thread %s: %s", thread_id, error)
        return None
    return sent.id


async def _quietly_again(parts: Parts, answer_id: int) -> None:
    try:
        await parts.dispatcher.show_again(answer_id)
    except BotError as error:
        log.info("answer %s could not be shown again: %s", answer_id, error)

"""What must be so after any trouble, read off the database and off Discord."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.database.tables import Conversation, Delivery, DeliveryKind, Message, MessageStatus, Role
from tests.benchmarks.discord.stories import answer_text
from tests.reliability.world import World

_ASKED = re.compile(r"story (\d+) in (\d+) tokens")
_RETRY = "Try again"


async def problems(
    world: World, *, may_fail: bool = False, busy: bool = True, aside: Collection[int] = ()
) -> list[str]:
    """Everything that is not as promised, a line each. `may_fail`: answers may have failed, if people can see that.
    `aside`: Discord messages that are no part of a story, refused ones and the replies that refuse them."""
    found: list[str] = []
    if open_jobs := await world.open_jobs():
        found.append(f"{open_jobs} jobs are stuck")
    if busy and (slots := await world.busy_slots()):
        found.append(f"{slots} of the worker's slots are still taken")
    untaken = [message for message in await world.untaken() if message.id not in aside]
    found += [f"nobody has taken {message.content!r}" for message in untaken]
    assert world.engine is not None
    async with AsyncSession(world.engine) as session:
        for conversation in await session.scalars(select(Conversation)):
            found += await _conversation(world, session, conversation, may_fail=may_fail, aside=aside)
    return found


async def _conversation(
    world: World,
    session: AsyncSession,
    conversation: Conversation,
    *,
    may_fail: bool,
    aside: Collection[int] = (),
) -> list[str]:
    query = select(Message).where(Message.conversation_id == conversation.id)
    messages = {message.id: message for message in await session.scalars(query)}
    deliveries = defaultdict[int, list[Delivery]](list)
    shown = select(Delivery).where(Delivery.message_id.in_(messages), Delivery.kind == DeliveryKind.TEXT)
    for delivery in await session.scalars(shown.order_by(Delivery.part)):
        deliveries[delivery.message_id].append(delivery)
    thread = next((t for t in world.threads if t.id == conversation.thread_id), None)
    name = f"conversation {conversation.id}"
    if thread is None:
        # A command whose thread was made, but whom the kill kept from being told.
        thread = next((t for c in world.channels for t in c.threads if t.id == conversation.thread_id), None)
        if thread is None:
            return [f"{name} has no thread"]
        world.threads.append(thread)
    found = []
    found += _all_answered(messages, conversation, name)
    own = {message.id: message for message in world.own(thread)}
    for message in messages.values():
        if message.role == Role.ASSISTANT and message.deleted_at is None:
            found += _answer(world, message, messages, deliveries[message.id], own, name, may_fail=may_fail)
    known = {delivery.discord_message_id for rows in deliveries.values() for delivery in rows}
    for stray in set(own) - known - set(aside):
        found.append(f"{name}: a message that no row knows: {own[stray].content[:60]!r}")
    return found


def _all_answered(messages: dict[int, Message], conversation: Conversation, name: str) -> list[str]:
    leaf = messages.get(conversation.active_leaf_id or 0)
    if not messages:
        return []
    if leaf is None or leaf.role != Role.ASSISTANT:
        return [f"{name} ends with a question"]
    return []


def _answer(
    world: World,
    answer: Message,
    messages: dict[int, Message],
    deliveries: Sequence[Delivery],
    own: dict,  # type: ignore[type-arg]
    name: str,
    *,
    may_fail: bool,
) -> list[str]:
    """One answer: whole in the database, and whole, once and in order on Discord where it is the one shown."""
    what = f"{name}, answer {answer.id}"
    if answer.status == MessageStatus.FAILED and (may_fail or answer.id in world.failed):
        world.failed.add(answer.id)
        buttons = {label for d in deliveries if (m := own.get(d.discord_message_id)) for label in m.buttons}
        return (
            []
            if _RETRY in buttons
            else [f"{what} has failed, and nobody sees it (buttons: {sorted(buttons)})"]
        )
    if answer.status != MessageStatus.COMPLETE:
        return [f"{what} is {answer.status}"]
    expected = _expected(answer, messages)
    if _plain(answer.content) != _plain(expected):
        return [f"{what} is not what was written: {_difference(answer.content, expected)}"]
    return [f"{what} {wrong}" for wrong in _shown(answer, messages, deliveries, own, expected)]


def _shown(
    answer: Message,
    messages: dict[int, Message],
    deliveries: Sequence[Delivery],
    own: dict,  # type: ignore[type-arg]
    expected: str,
) -> list[str]:
    if not deliveries:
        # Of siblings one is to be seen.
        siblings = [
            m for m in messages.values() if m.parent_id == answer.parent_id and m.role == Role.ASSISTANT
        ]
        return [] if len(siblings) > 1 else ["was never shown"]
    if missing := [d for d in deliveries if d.discord_message_id not in own]:
        return [f"lacks {len(missing)} of its messages on Discord"]
    text = " ".join(own[d.discord_message_id].content for d in deliveries)
    return [] if _plain(text) == _plain(expected) else [f"is shown otherwise: {_difference(text, expected)}"]


def _expected(answer: Message, messages: dict[int, Message]) -> str:
    """The story that was asked for last above the answer."""
    above = messages.get(answer.parent_id or 0)
    while above is not None:
        if above.role == Role.USER and (asked := _ASKED.findall(above.content)):
            return answer_text(*map(int, asked[-1]))
        above = messages.get(above.parent_id or 0)
    return ""


def _plain(text: str) -> str:
    return " ".join(text.split())


def _difference(found: str, expected: str) -> str:
    """Where two texts part."""
    one, other = _plain(found), _plain(expected)
    place = next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return (
        f"{len(one)} letters instead of {len(other)}, from {place} on "
        f"{one[max(0, place - 20) : place + 40]!r} instead of {other[max(0, place - 20) : place + 40]!r}"
    )

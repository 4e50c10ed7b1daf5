"""What a run has made, and the names of it: slots in the journal, ids in the data."""

from __future__ import annotations

from dataclasses import dataclass, field

from training.chats import Chat, Property
from training.generation.plan import ChatPlan


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was given up: a chat, or a language's properties."""

    slot: str
    language: str
    property: str
    kind: str
    reason: str
    final: bool
    """Whether a later run would find the same."""


@dataclass(slots=True)
class Made:
    """What a run has made so far, the earlier runs of its folder included."""

    properties: dict[str, list[Property]] = field(default_factory=dict)
    chats: dict[str, Chat] = field(default_factory=dict)
    """Slot → chat."""
    failed: dict[str, Dropped] = field(default_factory=dict)
    """Slot → why it failed last."""
    exhausted: bool = False
    """Whether all rounds were had, so that what failed for its own sake is given up."""

    @property
    def dropped(self) -> list[Dropped]:
        """What was given up for good."""
        return [each for each in self.failed.values() if each.final] if self.exhausted else []


def chat_id(plan: ChatPlan, chats: int) -> str:
    """`fi-07`, or `fi-07-2` where there are several chats about a work."""
    return (
        f"{plan.language}-{plan.work:02d}" if chats == 1 else f"{plan.language}-{plan.work:02d}-{plan.chat}"
    )


def chat_slot(id_: str) -> str:
    """The slot of the chat with this id."""
    code, work, chat = (*id_.split("-"), "1")[:3]
    return f"{code}/{work}/{chat}"


def slot_order(slot: str) -> tuple[str, int, int]:
    """By language, work and chat; a language's properties first."""
    code, work, chat = (*slot.split("/"), "0", "0")[:3]
    return code, int(work), int(chat)

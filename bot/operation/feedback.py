"""From rated answers to rows of training data: which may be used, which are left out and why. Values in, values out;
`bot.operation.uploads` reads the stories and gives the rows to the trainer.

A row is a chat up to a rated answer, as `training.finetuning.rated` reads it, with two fields more: `model`, which
wrote the answer, and `members`, the aliases of whose talk it is. Names and Discord's marks are not in it.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.answers.prompt import as_trained
from bot.answers.wording import in_wrong_language
from bot.conversations.memory import is_told
from bot.database.tables import CanonNote, Conversation, Feedback, Message, MessageStatus, Rating, Role
from bot.privacy.subject import NOBODY
from bot.text.mentions import without_mentions
from model.conversation import Turn, joined

_TASK = "imported"
_CUT = "length"


class LeftOut(enum.StrEnum):
    """Why a rated answer becomes no row."""

    NO_CONSENT = "no_consent"
    """Somebody who wrote in the story has not agreed to training, or nobody who rated it has."""
    DIVIDED = "divided"
    """As many liked it as did not."""
    MATURE = "mature"
    GAPS = "gaps"
    """Part of what stands before it was deleted, was changed after it was answered, or it was all taken back."""
    UNFINISHED = "unfinished"
    WRONG_LANGUAGE = "wrong_language"
    UNKNOWN_MODEL = "unknown_model"
    """Nobody noted which model wrote it, so its terms are not known."""
    REFUSED = "refused"
    """The trainer's own checks found something wrong with it."""


@dataclass(frozen=True)
class Story:
    """A story with all that is needed to judge it. `consenting`: those of its people who agreed to training."""

    conversation: Conversation
    messages: Sequence[Message]
    notes: Mapping[int, Sequence[CanonNote]]
    feedback: Sequence[Feedback]
    consenting: Collection[int]


@dataclass(frozen=True)
class Row:
    """A chat up to a rated answer. `answers` are the ids of the answers in it, the rated one last; `disliked_before`
    says that an earlier one was disliked, `mixed` that an earlier one is another model's."""

    id: str
    language: str
    messages: tuple[dict[str, str], ...]
    lookup: dict[str, str] | None
    background: tuple[dict[str, Any], ...]
    liked: bool
    model: str
    people: frozenset[int]
    answers: tuple[int, ...]
    disliked_before: bool
    mixed: bool

    def as_json(self, aliases: Mapping[int, str], *, rated: bool) -> dict[str, Any]:
        """The row for the trainer, which knows people by their aliases."""
        row: dict[str, Any] = {
            "id": self.id,
            "language": self.language,
            "property": "",
            "task": _TASK,
            "messages": list(self.messages),
            "lookup": self.lookup,
            "background": list(self.background),
            "model": self.model,
            "members": sorted(aliases[person] for person in self.people),
        }
        return {**row, "rating": 1 if self.liked else -1} if rated else row


@dataclass
class Harvest:
    """What rated chats there are for training. `rated` is for KTO; what SFT learns from is among them."""

    rated: list[Row] = field(default_factory=list)
    left_out: Counter[LeftOut] = field(default_factory=Counter)

    @property
    def chats(self) -> list[Row]:
        """The liked ones that can be learnt from as they stand: nothing disliked in them, all by one model, and none
        that is the beginning of another."""
        good = [row for row in self.rated if row.liked and not row.disliked_before and not row.mixed]
        beginnings = {answer for row in good for answer in row.answers[:-1]}
        return [row for row in good if row.answers[-1] not in beginnings]

    @property
    def likes(self) -> int:
        """Rows with 👍."""
        return sum(row.liked for row in self.rated)

    @property
    def dislikes(self) -> int:
        """Rows with 👎."""
        return len(self.rated) - self.likes

    @property
    def languages(self) -> Counter[str]:
        """Rows by language."""
        return Counter(row.language for row in self.rated)

    @property
    def models(self) -> Counter[str]:
        """Rows by the model that wrote them."""
        return Counter(row.model for row in self.rated)

    @property
    def people(self) -> set[int]:
        """Whose talk is in them."""
        return {person for row in self.rated for person in row.people}


def harvest(stories: Iterable[Story]) -> Harvest:
    """The rows of some stories."""
    found = Harvest()
    for story in stories:
        _harvest(story, found)
    return found


def people_of(conversation: Conversation, messages: Iterable[Message]) -> set[int]:
    """Who has a part in a story: who opened it, and who wrote in it."""
    wrote = {m.author_id for m in messages if m.role == Role.USER and m.author_id is not None and m.content}
    return (wrote | {conversation.opener_id}) - {NOBODY}


def _harvest(story: Story, found: Harvest) -> None:
    messages = {message.id: message for message in story.messages}
    verdicts: dict[int, list[int]] = {}
    raters: dict[int, set[int]] = {}
    for feedback in story.feedback:
        verdicts.setdefault(feedback.message_id, [])
        if feedback.member_id in story.consenting:
            verdicts[feedback.message_id].append(feedback.rating)
            raters.setdefault(feedback.message_id, set()).add(feedback.member_id)
    agreed = people_of(story.conversation, story.messages) <= set(story.consenting)
    disliked = {feedback.message_id for feedback in story.feedback if feedback.rating < 0}
    for answer_id, given in sorted(verdicts.items()):
        answer = messages.get(answer_id)
        if answer is None or answer.role != Role.ASSISTANT:
            continue
        if not agreed or not given:
            found.left_out[LeftOut.NO_CONSENT] += 1
            continue
        made = _row(story, messages, answer, sum(given), disliked, frozenset(raters[answer_id]))
        if isinstance(made, Row):
            found.rated.append(made)
        else:
            found.left_out[made] += 1


def _row(
    story: Story,
    messages: Mapping[int, Message],
    answer: Message,
    verdict: int,
    disliked: Collection[int],
    raters: frozenset[int],
) -> Row | LeftOut:
    path = _path(messages, answer)
    against = _objection(story, path, answer, verdict)
    if against is not None:
        return against
    language = story.conversation.language
    turns = _turns(path, language)
    if turns is None:
        return LeftOut.GAPS
    model = model_of(answer)
    if model is None:
        return LeftOut.UNKNOWN_MODEL
    answers = [message for message in path if message.role == Role.ASSISTANT]
    lookup, background = _looked_up(path, story.notes, language)
    return Row(
        id=f"feedback-{answer.id}",
        language=language,
        messages=tuple({"role": turn.role, "content": turn.text} for turn in turns),
        lookup=lookup,
        background=background,
        liked=verdict > 0,
        model=model,
        people=frozenset(people_of(story.conversation, path)) | raters,
        answers=tuple(message.id for message in answers),
        disliked_before=any(message.id in disliked for message in answers[:-1]),
        mixed=any(model_of(message) != model for message in answers[:-1]),
    )


def _objection(story: Story, path: Sequence[Message], answer: Message, verdict: int) -> LeftOut | None:
    if story.conversation.rating == Rating.MATURE:
        return LeftOut.MATURE
    if verdict == 0:
        return LeftOut.DIVIDED
    cut_off = verdict > 0 and answer.finish_reason == _CUT
    if answer.status != MessageStatus.COMPLETE or not answer.content.strip() or cut_off:
        return LeftOut.UNFINISHED
    if verdict > 0 and in_wrong_language(answer):
        return LeftOut.WRONG_LANGUAGE
    if any(message.deleted_at or message.taken_back_at for message in path) or _changed_since(path):
        return LeftOut.GAPS
    return None


def _changed_since(path: Sequence[Message]) -> bool:
    """Whether an answer is one to another wording than stands before it now."""
    changed: datetime | None = None
    for message in path:
        if message.role == Role.ASSISTANT:
            if changed is not None and message.created_at < changed:
                return True
        elif message.edited_at is not None:
            changed = max(message.edited_at, changed or message.edited_at)
    return False


def _path(messages: Mapping[int, Message], leaf: Message) -> list[Message]:
    """The branch that ends with a message, root first."""
    path = [leaf]
    while (parent_id := path[-1].parent_id) is not None and parent_id in messages:
        path.append(messages[parent_id])
    return path[::-1]


def _turns(path: Sequence[Message], language: str) -> list[Turn] | None:
    """What was said, as a row has it; None where it does not alternate from a member to the model."""
    turns = joined([Turn(m.role.value, _said(m, language)) for m in path if is_told(m)])
    turns = [turn for turn in turns if turn.text.strip()]
    roles = [turn.role for turn in turns]
    return turns if roles and roles == ["user", "assistant"] * (len(roles) // 2) else None


def _said(message: Message, language: str) -> str:
    """A tag that asks another Wikipedia than the story's is left out: nobody is to learn it."""
    if message.role == Role.USER:
        return without_mentions(message.content)
    return as_trained(message) if message.lookup_language == language else message.content


def _looked_up(
    path: Sequence[Message], notes: Mapping[int, Sequence[CanonNote]], language: str
) -> tuple[dict[str, str] | None, tuple[dict[str, Any], ...]]:
    """What the first answer asked for and what was found; or, where it asked for nothing, what stood in front of the
    first question."""
    first = next(message for message in path if message.role == Role.ASSISTANT)
    if first.lookup_term and first.lookup_language == language:
        lookup = {"term": first.lookup_term, "language": language}
        return lookup, tuple(_note(note) for note in notes.get(first.id, ()))
    before = path[: path.index(first)]
    return None, tuple(_note(note) for message in before for note in notes.get(message.id, ()))


def _note(note: CanonNote) -> dict[str, Any]:
    row: dict[str, Any] = {"title": note.title, "text": note.extract}
    if note.source != "wikipedia":
        return {**row, "source": "written"}
    return {
        **row,
        "source": "wikipedia",
        **({"url": note.url} if note.url else {}),
        **({"revision": note.revision} if note.revision is not None else {}),
    }


def model_of(answer: Message) -> str | None:
    """Which model wrote an answer: our worker's fingerprint (preset, adapter, prompt format) says most."""
    if answer.fingerprint and answer.fingerprint.count("/") == 2:
        return answer.fingerprint
    return answer.model

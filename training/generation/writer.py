"""The story of one chat: what is asked, answered and looked up, in order.

Whatever was paid for before comes from the journal, so a chat that failed or was interrupted is simply written
again from its beginning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from model.lookup_tag import Lookup, Reply
from training.chats import Chat, ChatTurn, Property
from training.chats import Lookup as ChatLookup
from training.generation.asking import Asker
from training.generation.background import Background
from training.generation.errors import CallFailed, NothingFound
from training.generation.plan import ChatPlan
from training.generation.progress import Tally
from training.generation.prompts import Draft, PromptSet
from training.generation.stages import Stage


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes chats by a prompt set."""

    prompts: PromptSet
    asker: Asker
    background: Background
    tally: Tally

    async def write(
        self, plan: ChatPlan, work: Property, question: str, chat_id: str, round_number: int
    ) -> Chat:
        """The whole chat that begins with `question`. Raises `ChatFailed` and `Stopped`."""
        draft = Draft(plan, work).asked(question)
        first = await self.asker.ask(self.prompts.first_answer(draft), round_number)
        if first.lookup is not None:
            draft, first = await self._looked_up(draft, first, first.lookup, round_number)
        draft = draft.answered(first)
        draft, second = await self._exchange(
            draft, Stage.SECOND_QUESTIONS, Stage.SECOND_ANSWERS, round_number
        )
        if plan.six:
            if second.lookup is not None:
                draft = await self._with_second_page(draft, second.lookup)
            draft, _ = await self._exchange(draft, Stage.THIRD_QUESTIONS, Stage.THIRD_ANSWERS, round_number)
        return _as_chat(draft, first.lookup, chat_id)

    async def _looked_up(
        self, draft: Draft, reply: Reply, lookup: Lookup, round_number: int
    ) -> tuple[Draft, Reply]:
        """The draft with what the first look-up found, and the reply with the term that found it."""
        plan, work = draft.plan, draft.work
        if plan.missed:
            note = await self.asker.ask(self.prompts.namesake(draft, lookup), round_number)
            return draft.found(note), reply
        # Where the model's own title finds nothing, the catalogue's may; the chat then asks for that one.
        terms = (lookup.term, work.wikipedia_title, work.local_name)
        found = await self.background.first(terms, plan.language)
        if found is None:
            raise NothingFound(f"nothing was found about {', '.join(dict.fromkeys(terms))}")
        self.tally.done(Stage.BACKGROUND, plan.slot, fresh=True)
        term, note = found
        return draft.found(note), replace(reply, lookup=replace(lookup, term=term))

    async def _with_second_page(self, draft: Draft, lookup: Lookup) -> Draft:
        """The draft with what the later look-up found; it goes on without where that is nothing."""
        try:
            note = await self.background.find(lookup.term, draft.plan.language)
        except CallFailed:
            note = None
        return draft if note is None or note in draft.notes else draft.found(note)

    async def _exchange(
        self, draft: Draft, asking: Stage, answering: Stage, round_number: int
    ) -> tuple[Draft, Reply]:
        draft = draft.asked(await self.asker.ask(self.prompts.next_question(draft, asking), round_number))
        answer = await self.asker.ask(self.prompts.next_answer(draft, answering), round_number)
        return draft.answered(answer), answer


def _as_chat(draft: Draft, lookup: Lookup | None, chat_id: str) -> Chat:
    return Chat(
        id=chat_id,
        language=draft.plan.language,
        property=draft.work.english_name,
        task=draft.plan.task,
        messages=tuple(ChatTurn(role=m["role"], content=m["content"]) for m in draft.messages),  # type: ignore[arg-type]
        lookup=None if lookup is None else ChatLookup(term=lookup.term, language=lookup.language),
        background=draft.notes,
    )

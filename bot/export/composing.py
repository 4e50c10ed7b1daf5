"""Makes a manuscript of the rows of one branch.

What counts as the story is simple: the answers. With the talk around it, every turn does, under its author's name.
Never in it: turns that were deleted, taken back or blocked, look-up tags, and what the bot says of itself, which is
no row.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import regex

from bot.canon import mentioned_work
from bot.database.tables import CanonNote, Conversation, Message, MessageStatus, Role
from bot.export.details import MADE_WITH_AI, ORIGINAL_WORK, RATING_OF, Details, unique
from bot.export.manuscript import Manuscript, Passage, Source
from model.catalogue import Property, find_property
from model.languages import LANGUAGES
from model.lookup_tag import TagFilter, parse_reply
from model.preset import list_presets

_NAMESPACE = uuid.UUID("9d2a4f0e-5d0b-5f6e-9a55-6b1f3f4f2a11")
_MOST_FANDOMS = 3
_SUMMARY_LENGTH = 250
_UNFINISHED = (MessageStatus.WAITING, MessageStatus.STREAMING)
# Models that are no preset of ours, by their usual names. Llama 3's licence has another wording than the later ones';
# the 8 of «3-8b» is a size and no version.
_LINEAGES = (
    (
        regex.compile(r"llama[-_ ]?(?:3[._-][1-9](?!\d|(?:\.\d+)?[bx])|4)", regex.IGNORECASE),
        "Built with Llama",
    ),
    (regex.compile(r"llama[-_ ]?3", regex.IGNORECASE), "Built with Meta Llama 3"),
    (
        regex.compile(r"gemma", regex.IGNORECASE),
        "Gemma is provided under and subject to the Gemma Terms of Use found at ai.google.dev/gemma/terms",
    ),
)


def compose(
    conversation: Conversation,
    path: Sequence[Message],
    notes: Mapping[int, Sequence[CanonNote]],
    *,
    with_talk: bool,
) -> Manuscript:
    """The manuscript of a branch (root first), with details that nobody was asked for."""
    said = [(message, text) for message in path if (text := visible_text(message, conversation.language))]
    kept = [(message, text) for message, text in said if with_talk or message.role == Role.ASSISTANT]
    sources = sources_of(path, notes)
    leaf = path[-1].id if path else 0
    return Manuscript(
        identifier=str(
            uuid.uuid5(_NAMESPACE, f"{conversation.id}/{conversation.created_at.isoformat()}/{leaf}")
        ),
        language=LANGUAGES[conversation.language],
        details=default_details(conversation, said, sources),
        passages=tuple(_passage(message, text) for message, text in kept),
        with_talk=with_talk,
        contributors=_contributors(message for message, _ in said),
        notices=_notices(message for message, _ in said),
        sources=sources,
        changed_at=max((m.edited_at or m.created_at for m, _ in kept), default=conversation.created_at),
    )


def visible_text(message: Message, language: str) -> str:
    """What people may see of a turn: nothing of one that was deleted, taken back or blocked, and no tag, not even a
    begun one."""
    gone = message.deleted_at is not None or message.taken_back_at is not None
    if gone or message.status == MessageStatus.BLOCKED:
        return ""
    if message.role == Role.USER:
        return message.content.strip()
    if message.status in _UNFINISHED:
        return TagFilter(language).feed(message.content).strip()
    return parse_reply(message.content, language).text.strip()


def sources_of(path: Sequence[Message], notes: Mapping[int, Sequence[CanonNote]]) -> tuple[Source, ...]:
    """The pages that stood before an answer of the branch; each once."""
    found: dict[tuple[str, str, int | None], Source] = {}
    for place, message in enumerate(path):
        if all(later.role == Role.USER for later in path[place + 1 :]):
            break  # what was found for the last answer has been in none yet
        for note in notes.get(message.id, ()):
            source = Source(
                title=note.title,
                language=note.language,
                text=note.extract,
                url=note.url,
                revision=note.revision,
                from_wikipedia=note.source == "wikipedia",
            )
            found.setdefault((note.title, note.language, note.revision), source)
    return tuple(found.values())


def default_details(
    conversation: Conversation, said: Sequence[tuple[Message, str]], sources: Sequence[Source]
) -> Details:
    """What can be known of a work without asking anybody."""
    answers = [text for message, text in said if message.role == Role.ASSISTANT]
    asked = [text for message, text in said if message.role == Role.USER]
    return Details(title=conversation.title).with_values(
        {
            "title": conversation.title,
            "fandoms": fandoms_of(asked, sources, conversation.language) or (ORIGINAL_WORK,),
            "rating": RATING_OF[conversation.rating],
            "tags": (MADE_WITH_AI,),
            "summary": _beginning(answers[0] if answers else ""),
        }
    )


def fandoms_of(asked: Iterable[str], sources: Iterable[Source], language: str) -> tuple[str, ...]:
    """The works of the catalogue that were looked up or named; else the first page that was looked up."""
    works: list[Property] = []
    for source in sources:
        works += filter(None, [find_property(source.title, source.language)])
    for text in asked:
        works += filter(None, [mentioned_work(text, language)])
    named = unique(map(_fandom, works))[:_MOST_FANDOMS]
    return named or unique(_without_brackets(source.title) for source in sources)[:1]


def _fandom(work: Property) -> str:
    """A work's name the way that the Archive has it: its own, and the English one after a bar."""
    if not work.is_local or work.local_name.casefold() == work.english_name.casefold():
        return work.english_name
    return f"{work.local_name} | {work.english_name}"


def _without_brackets(title: str) -> str:
    return regex.sub(r"\s*[(（].*?[)）]\s*$", "", title)


def _passage(message: Message, text: str) -> Passage:
    author = (message.author_name or "?") if message.role == Role.USER else None
    return Passage(text, author, message.created_at, message.model)


def _contributors(messages: Iterable[Message]) -> tuple[str, ...]:
    """The newest name of each member who wrote in the branch, in the order in which they joined."""
    names = {m.author_id: m.author_name for m in messages if m.role == Role.USER and m.author_name}
    return tuple(str(name) for name in names.values())


def _notices(messages: Iterable[Message]) -> tuple[str, ...]:
    found = (notice_for(message.model, message.fingerprint) for message in messages if message.model)
    return tuple(dict.fromkeys(filter(None, found)))


def notice_for(model: str, fingerprint: str | None = None) -> str:
    """What the licence of a model's lineage wants shown; empty where it wants nothing, or the lineage is unknown.

    Adapters are called what one likes: our worker's fingerprint knows the preset below.
    """
    preset = fingerprint.split("/")[0] if fingerprint and fingerprint.count("/") == 2 else ""
    known = _preset_notices()
    for name in (preset, model):
        if name in known:
            return known[name]
    return next((notice for pattern, notice in _LINEAGES if pattern.search(f"{model} {preset}")), "")


@cache
def _preset_notices() -> dict[str, str]:
    """The notice of each preset, by its own name and by the models it serves."""
    return {
        name: preset.notice
        for preset in list_presets()
        for name in (preset.name, preset.base.name, preset.adapter.name if preset.adapter else None)
        if name
    }


def _beginning(text: str) -> str:
    """How a text begins, in one line."""
    line = " ".join(regex.sub(r"[*_`#>|~]+", "", text).split())
    if len(line) <= _SUMMARY_LENGTH:
        return line
    return line[:_SUMMARY_LENGTH].rsplit(" ", 1)[0].rstrip(" ,;:–—-") + " …"

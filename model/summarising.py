"""How a model is asked to sum up the older part of a conversation, and what is made of what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from model.conversation import Turn, as_message
from model.languages import Language

_TASK = """\
Sum up the conversation above for whoever goes on writing this story, in {language} and in at most {words} \
words: who the characters are and what they want, what has happened so far in its order, what was agreed about \
plot, setting and style, and what is still open. Leave out nothing that later scenes depend on. Write plain \
sentences, without a greeting, headings or a look-up."""
_AGAIN = "Write the summary in {language} and in no other language."

_BEGIN, _END = "[Conversation]", "[End of conversation]"
_SO_FAR, _END_SO_FAR = "[What happened before]", "[End of what happened before]"
_MARKS = (_BEGIN, _END, _SO_FAR, _END_SO_FAR)
_SPEAKERS = {"user": "Writer", "assistant": "FanFabler"}

_SENTENCE_END = re.compile(r"[.!?…。！？।։؟][\"'”»」』)\]]*(?=\s|\Z)|[。！？][”」』]?")
# How much of a summary that was cut off may be given up for a whole last sentence.
_MOST_CUT = 0.4


def summary_request(
    turns: Sequence[Turn], language: Language, *, previous: str | None, words: int, again: bool = False
) -> str:
    """The message that asks for a summary of `turns`, and of `previous`, the summary of what was before them, in at
    most so many words. With `again`, a first try was in the wrong language."""
    name = f"{language.english_name} ({language.own_name})"
    said = "\n\n".join(f"{_SPEAKERS[turn.role]}: {_inside(as_message(turn)['content'])}" for turn in turns)
    blocks = [f"{_BEGIN}\n{said}\n{_END}", _TASK.format(language=name, words=words)]
    if previous:
        blocks.insert(0, f"{_SO_FAR}\n{_inside(previous)}\n{_END_SO_FAR}")
    if again:
        blocks.append(_AGAIN.format(language=name))
    return "\n\n".join(blocks)


def whole_sentences(text: str) -> str:
    """A text that may have been cut off in the middle, up to the end of its last whole sentence."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends and ends[-1] >= (1 - _MOST_CUT) * len(text) else text


def _inside(text: str) -> str:
    """Text that cannot end the block it stands in."""
    for mark in _MARKS:
        text = text.replace(mark, mark.strip("[]"))
    return text.strip()

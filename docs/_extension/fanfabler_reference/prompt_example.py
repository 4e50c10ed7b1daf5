"""A prompt as the code makes it: a question, an answer with a look-up, the next question with page and pin."""

from __future__ import annotations

from model.conversation import ContextNote, Turn, build, system_prompt
from model.languages import LANGUAGES
from model.prompt.llama3 import LLAMA3

_TURNS = (
    Turn("user", "Where did Heidi sleep?", bible=("Peter is afraid of thunder.",)),
    Turn("assistant", "In the hayloft, as I remember it.\n\n>>> Heidi\n>>> en"),
    Turn(
        "user",
        "Then write the night of the storm.",
        (ContextNote("Heidi", "en", "Heidi is a novel by Johanna Spyri …"),),
    ),
)


def page() -> str:
    """The text of a prompt in Llama 3's format, special tokens as they are written."""
    messages = build(system_prompt(LANGUAGES["en"]), _TURNS)
    text = "".join(piece.text for piece in LLAMA3.pieces(messages, open_answer=True))
    return f"```text\n{text}\n```"

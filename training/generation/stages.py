"""The stages in their order: the names that journals, bars and reports use."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """A stage of the pipeline. All but `BACKGROUND` ask the model."""

    PROPERTIES = "properties"
    FIRST_QUESTIONS = "first_questions"
    FIRST_ANSWERS = "first_answers"
    BACKGROUND = "background"
    NAMESAKES = "namesakes"
    """Notes about something else of the same name, for the look-ups that are to miss."""
    SECOND_QUESTIONS = "second_questions"
    SECOND_ANSWERS = "second_answers"
    THIRD_QUESTIONS = "third_questions"
    THIRD_ANSWERS = "third_answers"

    @property
    def words(self) -> str:
        return self.value.replace("_", " ")

    @property
    def depth(self) -> int:
        """How far along a chat is; the furthest go first, so that a run that is stopped has whole chats."""
        return list(Stage).index(self)


MODEL_STAGES = tuple(stage for stage in Stage if stage is not Stage.BACKGROUND)

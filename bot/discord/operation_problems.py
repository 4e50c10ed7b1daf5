"""What stands against an operator's wish, in words."""

from __future__ import annotations

from discord.utils import escape_markdown

from bot.errors import WorkerAsleep, WorkerError
from bot.operation.comparisons import NoComparison
from bot.operation.errors import (
    BeginsWithoutRated,
    CannotLoad,
    ForgettingDue,
    NoSuchRun,
    NothingToMove,
    NothingToRollBack,
    NothingToUpload,
    OperationRefused,
    RecipeUnavailable,
    RunIsOver,
    UnknownAdapter,
    WorseThanInUse,
)
from bot.operation.gate import Fault, Measure
from bot.text.length import shorten
from bot.trainer import TrainerError, TrainerNotSet, TrainerUnreachable
from bot.words import Words

_REASON = 900
OPERATION_PROBLEMS = (OperationRefused, TrainerError, WorkerError)


def explain_operation(words: Words, error: BaseException) -> str | None:
    """Why it is not done and what to do; None where the error is of another kind."""
    if isinstance(error, TrainerError):
        return trainer_trouble(words, error)
    if isinstance(error, WorkerAsleep):
        return words.say(
            "The writing machine sleeps while a training run has it. Please try again after that."
        )
    if isinstance(error, WorkerError):
        reason = _quoted(str(error))
        return words.say(
            "The writing machine could not do it: {reason}\n**/admin health** shows how it is.", reason=reason
        )
    if isinstance(error, (WorseThanInUse, UnknownAdapter, CannotLoad, NothingToRollBack, NoComparison)):
        return _about_models(words, error)
    return _about_runs(words, error)


def _about_models(words: Words, error: OperationRefused) -> str:
    if isinstance(error, WorseThanInUse):
        lines = [
            words.say(
                "It is worse than {adapter}, which is in use, so it is not activated:", adapter=error.in_use
            ),
            *(f"- {fault_line(words, fault)}" for fault in error.faults),
            words.say("**/admin model activate** with **force** does it all the same."),
        ]
        return "\n".join(lines)
    if isinstance(error, UnknownAdapter):
        model = f"**{_quoted(error.name)}**"
        return words.say("I know no model {model}. **/admin model list** has them all.", model=model)
    if isinstance(error, CannotLoad):
        return words.say(
            "The writing machine does not take {model}: {reason}\nWhat answers now stays as it was.",
            model=f"**{error.name}**",
            reason=_quoted(error.reason),
        )
    if isinstance(error, NothingToRollBack):
        return words.say(
            "No model was chosen there, so there is nothing to go back from. **/admin model activate** chooses one."
        )
    return words.say("This comparison is gone. **/admin model compare** makes another.")


def _about_runs(words: Words, error: BaseException) -> str | None:  # noqa: PLR0911 -- one return a kind of error
    if isinstance(error, RecipeUnavailable):
        if error.reason is None:
            return words.say("The trainer offers no recipe of this name. Take one that is suggested.")
        reason = _quoted(error.reason)
        return words.say(
            "That recipe cannot be run on the trainer's machine: {reason}\nChoose another one.", reason=reason
        )
    if isinstance(error, NoSuchRun):
        return words.say("There is no such training run. **/admin train list** has them all.")
    if isinstance(error, RunIsOver):
        return words.say("That run is over, or was never begun. **/admin train list** shows how it ended.")
    if isinstance(error, ForgettingDue):
        return words.say(
            "Somebody has had their data deleted, and the trainer has not removed it yet. No run begins before that: "
            "please see that the trainer can be reached, and try again."
        )
    if isinstance(error, NothingToUpload):
        return words.say(
            "There is no rated chat that may be trained on. **/admin dataset preview** says why."
        )
    if isinstance(error, NothingToMove):
        return _nothing_to_move(words, error)
    if isinstance(error, BeginsWithoutRated):
        return words.say(
            "A run on chats makes a new adapter and begins with none. Leave **begin_with** out, or give a file of "
            "rated answers as **rated**: those move an adapter that is there (KTO)."
        )
    return None


def _nothing_to_move(words: Words, error: NothingToMove) -> str:
    if error.named:
        adapter = f"**{_quoted(error.name or '')}**"
        return words.say("The trainer has no adapter {adapter}. Take one that is suggested.", adapter=adapter)
    if error.name is None:
        return words.say(
            "Rated answers move an adapter (KTO), and which one is in use cannot be told just now. Name one with "
            "**begin_with**."
        )
    return words.say(
        "Rated answers move an adapter (KTO). What answers here now is {model}, and the trainer has no adapter of that "
        "name: most likely it is the model as it came. Train an adapter on chats first (without **rated**), or name "
        "one with **begin_with**.",
        model=f"**{_quoted(error.name)}**",
    )


def _quoted(reason: str) -> str:
    """Somebody else's words, fit to stand in a message."""
    return escape_markdown(shorten(reason, _REASON))


def trainer_trouble(words: Words, error: Exception) -> str:
    """Why the trainer could not be asked."""
    if isinstance(error, TrainerNotSet):
        return words.say("There is no trainer: set TRAINER_URL, as .env.example has it.")
    if isinstance(error, TrainerUnreachable):
        return words.say(
            "The trainer cannot be reached just now. I keep asking; a run that was begun goes on by itself, and "
            "nothing is lost."
        )
    if isinstance(error, TrainerError):
        return words.say(
            "The trainer would not do it: {reason}\nIts log says more.", reason=_quoted(str(error))
        )
    return words.say(
        "Something went wrong, and I have noted it. Please try again; if it happens again, tell those who run me."
    )


def fault_line(words: Words, fault: Fault) -> str:
    """In what an adapter falls behind."""
    if fault.candidate is None:
        return words.say("it has never been examined, as the other has")
    if fault.measure is Measure.HELD_OUT_LOSS:
        return words.say(
            "held-out loss {candidate} instead of {in_use} (less is better)",
            candidate=words.number(round(fault.candidate, 3)),
            in_use=words.number(round(fault.in_use, 3)),
        )
    return words.say(
        "answers in the right language {candidate} instead of {in_use}",
        candidate=percent(words, fault.candidate),
        in_use=percent(words, fault.in_use),
    )


def percent(words: Words, share: float) -> str:
    """A share as per cent."""
    return f"{words.number(round(share * 100, 1))} %"

"""The checks of a chat by itself, in the order in which they are reported."""

from __future__ import annotations

from collections.abc import Callable

from training.chats import Chat
from training.checks.english import check_english
from training.checks.finding import Finding
from training.checks.form import check_cut, check_form, check_length
from training.checks.language import check_language, check_script
from training.checks.loops import check_loops
from training.checks.phrases import check_boilerplate, check_refusal
from training.checks.tag import check_tag, check_term
from training.checks.variety import check_variety

ROW_CHECKS: tuple[Callable[[Chat], list[Finding]], ...] = (
    check_tag,
    check_term,
    check_script,
    check_language,
    check_variety,
    check_english,
    check_refusal,
    check_boilerplate,
    check_loops,
    check_length,
    check_form,
    check_cut,
)


def check_row(chat: Chat) -> list[Finding]:
    """Everything that is wrong with this chat."""
    return [finding for check in ROW_CHECKS for finding in check(chat)]

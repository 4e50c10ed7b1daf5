"""When an adapter may take another's place."""

from __future__ import annotations

import pytest

from bot.operation.gate import Fault, Figures, Measure, faults_of
from bot.operation.runs import adapter_name

STANDING = Figures(2.0, 0.9, "llama3", "chats-1")


@pytest.mark.parametrize(
    "candidate",
    [
        Figures(2.0, 0.9, "llama3"),
        Figures(1.5, 0.95, "llama3"),
        Figures(2.0 + 1e-9, 0.9 - 1e-9, "llama3"),
    ],
)
def test_one_that_is_no_worse_has_no_faults(candidate: Figures) -> None:
    assert faults_of(candidate, STANDING) == []


def test_each_measure_that_is_worse_is_named_with_both_values() -> None:
    assert faults_of(Figures(2.1, 0.8, "llama3"), STANDING) == [
        Fault(Measure.HELD_OUT_LOSS, 2.1, 2.0),
        Fault(Measure.LANGUAGE_MATCH, 0.8, 0.9),
    ]


def test_one_that_was_never_examined_is_held_against_what_is_known_of_the_other() -> None:
    assert [fault.candidate for fault in faults_of(Figures(None, None), STANDING)] == [None, None]
    assert faults_of(Figures(None, None), Figures(None, None)) == []
    assert faults_of(Figures(None, None), None) == []


@pytest.mark.parametrize("strange", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_is_worse_than_any_that_is_one(strange: float) -> None:
    assert faults_of(Figures(strange, 0.9, "llama3"), STANDING) != []
    assert faults_of(Figures(2.0, 0.9), Figures(strange, 0.9)) == []


def test_losses_of_another_family_and_figures_on_other_chats_are_not_compared() -> None:
    assert faults_of(Figures(9.0, 0.9, "gemma"), STANDING) == []
    assert [f.measure for f in faults_of(Figures(9.0, 0.1, "gemma"), STANDING)] == [Measure.LANGUAGE_MATCH]
    assert faults_of(Figures(9.0, 0.1, "llama3", "chats-2"), STANDING) == []


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("Ours, third try!", "ours-third-try-7-ab"),
        ("llama3.1-8b", "llama3-1-8b-7-ab"),
        ("…", "run-7-ab"),
        ("x" * 90, "x" * 40 + "-7-ab"),
    ],
)
def test_a_name_for_an_adapter_is_plain_short_and_marked(wanted: str, name: str) -> None:
    assert adapter_name(wanted, "7-ab") == name

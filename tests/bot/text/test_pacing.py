"""Pacing of edits, in virtual time."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.text.pacing import Action, Budget, Decision, Pacer, RateLimit, parse_rate_limit_headers

TOKENS_PER_SECOND = 30.0
TOKEN = "word "


@dataclass
class Answer:
    """One simulated answer: a token every thirtieth of a second from `start` for `length` tokens."""

    pacer: Pacer
    start: float
    length: int
    sent: list[tuple[float, Action, str]] = field(default_factory=list)

    def text(self, now: float) -> str:
        return TOKEN * min(self.length, int((now - self.start) * TOKENS_PER_SECOND + 1e-6) + 1)

    @property
    def end(self) -> float:
        return self.start + (self.length - 1) / TOKENS_PER_SECOND

    def finished(self, now: float) -> bool:
        return now >= self.end - 1e-9


def simulate(budget: Budget, starts: list[float], seconds: float) -> list[Answer]:
    """Let the answers stream; each asks when it was told to, or when its last token is there. Messages of 2,000
    characters: one that is full costs a request more."""
    answers = []
    waiting = [(start, number) for number, start in enumerate(starts)]
    heapq.heapify(waiting)
    while waiting:
        now, number = heapq.heappop(waiting)
        while number >= len(answers):
            answers.append(
                Answer(budget.open(str(len(answers))), starts[len(answers)], int(seconds * TOKENS_PER_SECOND))
            )
        answer = answers[number]
        text, finished = answer.text(now), answer.finished(now)
        shown = answer.sent[-1][2] if answer.sent else ""
        requests = 1 + len(text) // 2000 - len(shown) // 2000
        decision = answer.pacer.due(now, text, finished=finished, requests=requests)
        if decision.send:
            answer.sent += [(now, decision.action, "")] * (requests - 1)
            answer.sent.append((now, decision.action, text))
        if decision.action in (Action.FINAL, Action.DONE):
            continue
        at = now + 1 / TOKENS_PER_SECOND if decision.send else decision.at
        if not answer.sent:
            at = min(at, now + 1 / TOKENS_PER_SECOND)
        if not finished:
            at = min(at, answer.end)
        heapq.heappush(waiting, (max(at, now + 1e-6), number))
    return answers


def busiest_second(times: list[float]) -> int:
    times = sorted(times)
    most = begin = 0
    for end, time in enumerate(times):
        while time - times[begin] >= 1.0:
            begin += 1
        most = max(most, end - begin + 1)
    return most


def texts_of(answer: Answer) -> list[str]:
    return [text for _, _, text in answer.sent if text]


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 200), st.sampled_from([0.0, 0.5, 5.0, 60.0]), st.randoms(use_true_random=False))
@example(200, 0.0, None)
@example(40, 0.0, None)
@example(1, 0.0, None)
def test_all_answers_together_stay_within_forty_requests_in_any_second(count, spread, random):
    starts = [random.uniform(0, spread) if random else 0.0 for _ in range(count)]
    budget = Budget()
    answers = simulate(budget, sorted(starts), 60.0)
    assert busiest_second([time for answer in answers for time, _, _ in answer.sent]) <= 40
    assert budget.live == 0
    for answer in answers:
        actions = [action for _, action, text in answer.sent if text]
        assert actions[0] is Action.FIRST
        assert actions[-1] is Action.FINAL
        assert answer.sent[-1][2] == answer.text(answer.end)
        texts = texts_of(answer)
        assert all(one != other for one, other in pairwise(texts))
        # A final text waits for no more than the other final and first texts.
        assert answer.sent[-1][0] - answer.end <= 1.3 + 2 * count / 40
        middles = [time for time, action, text in answer.sent if text and action is not Action.FINAL]
        assert all(later - sooner >= 0.7 - 1e-6 for sooner, later in pairwise(middles))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 20), min_size=1, max_size=40))
@example([0.0] * 40)
@example([0.0] * 14 + [3.55] * 26)
@example([0.0] * 20 + [7.0] * 20)
def test_first_texts_show_within_three_hundred_milliseconds_up_to_forty_answers(starts):
    for answer in simulate(Budget(), sorted(starts), 20.0):
        assert answer.sent[0][0] - answer.start <= 0.3 + 1e-6


def test_edits_go_on_evenly_for_all_under_load():
    gaps = defaultdict(list)
    for number, answer in enumerate(simulate(Budget(), [0.0] * 100, 60.0)):
        times = [time for time, _, text in answer.sent if text]
        gaps[number] = [later - sooner for sooner, later in pairwise(times)]
    assert max(max(each) for each in gaps.values()) < 9
    assert all(len(each) >= 12 for each in gaps.values())


def test_one_answer_alone_is_edited_at_the_floor():
    (answer,) = simulate(Budget(), [0.0], 10.0)
    assert len(texts_of(answer)) == pytest.approx(10 / 0.7, abs=2)


def test_a_first_text_of_a_few_words_is_sent_at_once():
    pacer = Budget().open("1")
    assert pacer.due(5.0, "Once upon a time there was").action is Action.FIRST
    assert Budget().open("1").due(5.0, "옛날 옛적에 한 소녀가").action is Action.FIRST


def test_a_very_short_first_text_waits_a_moment_for_more():
    pacer = Budget().open("1")
    assert pacer.due(5.0, "Once") == Decision(Action.WAIT, pytest.approx(5.1))
    assert pacer.due(5.1, "Once").action is Action.FIRST


def test_nothing_is_sent_while_there_is_nothing_to_see():
    pacer = Budget().open("1")
    assert pacer.due(0.0, "") == Decision(Action.WAIT, math.inf)
    assert pacer.due(0.0, " \n") == Decision(Action.WAIT, math.inf)
    assert pacer.due(1.0, "", finished=True).action is Action.DONE


def test_unchanged_text_is_not_sent_again():
    pacer = Budget().open("1")
    text = "A text long enough to be shown."
    assert pacer.due(0.0, text).send
    assert pacer.due(9.0, text) == Decision(Action.WAIT, math.inf)
    assert pacer.due(9.0, text, finished=True).action is Action.DONE


def test_a_final_text_may_be_drawn_again_for_its_buttons_once():
    budget = Budget()
    pacer = budget.open("1")
    text = "A text long enough to be shown."
    assert pacer.due(0.0, text).send
    assert pacer.due(0.1, text, finished=True, redraw=True).action is Action.FINAL
    assert pacer.due(0.2, text, finished=True, redraw=True).action is Action.DONE
    assert budget.live == 0


def test_a_final_text_does_not_wait_for_the_floor():
    pacer = Budget().open("1")
    pacer.due(0.0, "A text long enough to be shown.")
    assert pacer.due(0.1, "A text long enough to be shown, and more.") == Decision(
        Action.WAIT, pytest.approx(0.7)
    )
    assert pacer.due(0.1, "A text long enough to be shown, and done.", finished=True).action is Action.FINAL


def test_what_failed_may_be_sent_again_after_the_floor():
    budget = Budget()
    pacer = budget.open("1")
    text = "A text long enough to be shown."
    assert pacer.due(0.0, text, finished=True).action is Action.FINAL
    pacer.failed()
    assert budget.live == 1
    assert pacer.due(0.1, text, finished=True) == Decision(Action.WAIT, pytest.approx(0.7))
    assert pacer.due(0.7, text, finished=True).action is Action.FINAL
    assert budget.live == 0


def test_first_and_final_texts_go_before_middle_ones():
    budget = Budget()
    old, new = budget.open("1"), budget.open("2")
    assert old.due(0.0, "A text long enough to be shown.").send
    budget.spend(2.0, 33)
    assert old.due(2.0, "A text long enough to be shown, and more.").action is Action.WAIT
    assert new.due(2.0, "Another one, also long enough.").action is Action.FIRST


def test_first_texts_are_served_in_the_order_they_came():
    budget = Budget()
    budget.spend(0.0, 40)
    pacers = [budget.open(str(number)) for number in range(50)]
    for pacer in pacers:
        assert pacer.due(0.5, "A text long enough to be shown.").action is Action.WAIT
    served = [
        number
        for number in reversed(range(50))
        if pacers[number].due(1.0, "A text long enough, and more.").send
    ]
    assert served == list(reversed(range(40)))


def test_what_is_sent_later_than_it_was_allowed_counts_from_then():
    budget = Budget(rate=10)
    pacers = [budget.open(str(number)) for number in range(20)]
    text = "A text long enough to be shown."
    assert [pacer.due(0.0, text).send for pacer in pacers[:11]] == [True] * 10 + [False]
    for _ in range(10):
        budget.sent(0.8)  # the process was busy
    assert not pacers[10].due(1.5, text).send
    assert pacers[10].due(1.5, text).at == 1.8
    assert pacers[10].due(1.8, text).send


def test_what_was_allowed_and_never_sent_is_forgotten():
    budget = Budget(rate=10)
    for number in range(10):
        assert budget.open(str(number)).due(0.0, "A text long enough to be shown.").send
    assert budget.open("x").due(1.0, "A text long enough to be shown.").send


def test_an_answer_that_went_away_holds_nobody_up_for_long():
    budget = Budget()
    budget.spend(0.0, 40)
    lost = [budget.open(str(number)) for number in range(40)]
    for pacer in lost:
        pacer.due(0.0, "A text long enough to be shown.")
    assert budget.open("x").due(6.0, "A text long enough to be shown.").send
    closed = lost[0]
    closed.close()
    closed.close()
    assert budget.live == 40


def test_an_empty_bucket_holds_edits_back_and_one_request_is_kept_for_the_final_text():
    budget = Budget()
    pacer = budget.open("7")
    pacer.due(0.0, "A text long enough to be shown.")
    budget.observe("7", RateLimit("b", 5, 1, 4.0), 0.0)
    more = "A text long enough to be shown, and more."
    assert pacer.due(1.0, more) == Decision(Action.WAIT, pytest.approx(4.0))
    assert pacer.due(1.0, more, finished=True).action is Action.FINAL


def test_what_remains_of_a_bucket_is_spread_until_it_is_filled_again():
    budget = Budget()
    budget.open("7").due(0.0, "A text long enough to be shown.")
    budget.observe("7", RateLimit("b", 5, 4, 4.5), 0.0)
    assert budget.spacing("7", 0.1) == pytest.approx(1.5)
    assert budget.spacing("8", 0.1) == pytest.approx(0.7)
    assert budget.spacing("7", 5.0) == pytest.approx(0.7)


def test_a_refusal_holds_its_bucket_back_and_widens_the_spacing():
    budget = Budget()
    pacer, other = budget.open("7"), budget.open("8")
    text, more = "A text long enough to be shown.", "A text long enough to be shown, and more."
    assert pacer.due(0.0, text).send
    budget.observe("7", RateLimit("b", 5, 0, 3.0, retry_after=3.0), 1.0)
    assert pacer.due(1.0, more, finished=True) == Decision(Action.WAIT, pytest.approx(4.0))
    assert other.due(1.0, text).send
    for _ in range(2):
        budget.observe("7", RateLimit("b", 5, 0, 3.0, retry_after=3.0), 1.0)
    assert pacer.due(5.0, more) == Decision(Action.WAIT, math.inf)
    assert pacer.due(5.0, more, finished=True).action is Action.FINAL
    assert budget.spacing("7", 62.0) == pytest.approx(0.7)


def test_a_refusal_everywhere_stops_all_and_halves_the_rate_for_a_while():
    budget = Budget()
    budget.observe("7", RateLimit("", 0, 0, 2.0, retry_after=2.0, everywhere=True), 0.0)
    pacers = [budget.open(str(number)) for number in range(60)]
    text = "A text long enough to be shown."
    assert pacers[0].due(1.0, text) == Decision(Action.WAIT, 2.0)
    assert sum(pacer.due(2.0, text).send for pacer in pacers) == 20
    assert sum(pacer.due(20.0, text).send for pacer in pacers) == 40


def test_headers_of_an_answer_are_read_in_any_case():
    headers = {
        "X-RateLimit-Limit": "5",
        "x-ratelimit-remaining": "3",
        "X-RateLimit-Reset": "1470173023.123",
        "X-RateLimit-Reset-After": "1.25",
        "X-RateLimit-Bucket": "abcd1234",
    }
    assert parse_rate_limit_headers(headers) == RateLimit("abcd1234", 5, 3, 1.25)


def test_headers_of_refusals_tell_where_they_hold():
    bucket = {"X-RateLimit-Limit": "5", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "2"}
    user = parse_rate_limit_headers({**bucket, "Retry-After": "2", "X-RateLimit-Scope": "user"})
    assert user == RateLimit("", 5, 0, 2.0, retry_after=2.0)
    shared = parse_rate_limit_headers({**bucket, "Retry-After": "2", "X-RateLimit-Scope": "shared"})
    assert shared == RateLimit("", 5, 0, 2.0, retry_after=2.0, shared=True)
    everywhere = parse_rate_limit_headers(
        {"Retry-After": "65", "X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
    )
    assert everywhere == RateLimit("", 0, 0, 65.0, retry_after=65.0, everywhere=True)
    cloudflare = parse_rate_limit_headers({"Retry-After": "900"})
    assert cloudflare is not None
    assert cloudflare.everywhere


@given(
    st.dictionaries(
        st.sampled_from(
            [f"X-RateLimit-{name}" for name in ("Limit", "Remaining", "Reset-After", "Scope")]
            + ["Retry-After"]
        ),
        st.one_of(st.text(max_size=5), st.floats().map(str)),
    )
)
def test_headers_that_make_no_sense_are_nothing_to_fear(headers):
    limit = parse_rate_limit_headers(headers)
    if limit is not None:
        assert math.isfinite(limit.reset_after)
        assert limit.reset_after >= 0
        assert limit.remaining >= 0


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 8), st.integers(2, 10), st.floats(1.0, 10.0))
def test_a_bucket_whose_headers_are_heeded_is_never_overdrawn(count, size, window):
    """Several answers in one channel, against a bucket that refuses what is too much."""
    budget = Budget()
    pacers = [budget.open("7") for _ in range(count)]
    remaining, reset, tick = size, -math.inf, 0
    while budget.live:
        tick += 1
        now = tick * 0.05
        assert now < 30 + count * window
        if now >= reset:
            remaining = size
        for number, pacer in enumerate(pacers):
            text = f"What was written until {min(tick, 300 + number)}"
            if pacer.due(now, text, finished=tick >= 300 + number).send:
                reset = now + window if remaining == size else reset
                remaining -= 1
                assert remaining >= 0 or tick == 1  # before the first answer, nothing is known of the bucket
                budget.observe("7", RateLimit("b", size, max(0, remaining), reset - now), now)


def test_there_is_no_room_to_spare_once_half_of_the_rate_is_used_until_the_second_is_over():
    budget = Budget(rate=40)
    budget.spend(10.0, 19)
    assert budget.spare(10.0)
    budget.spend(10.1, 1)
    assert not budget.spare(10.2)
    assert budget.spare(11.1)

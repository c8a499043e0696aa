"""What polling decides without a server."""

import itertools
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cards.models import CheckType
from polling.checks.card_profile import CardProfile
from polling.checks.registry import CHECKS
from polling.conf import PollingSettings
from polling.models import PollingConfig
from polling.policy.defaults import CONFIGS
from polling.policy.matching import interval_for
from polling.schedule import backoff
from polling.schedule.histogram import BUCKETS, percentile
from polling.system_checks import problems

HALF_HOUR = timedelta(minutes=30)
NOW = datetime(2026, 5, 10, tzinfo=UTC)
DEFAULTS = [PollingConfig(**fields) for fields in CONFIGS]
ACTIVATED = CardProfile(1, "normal", 3, "verified", "online", enable_polling=True, is_subscribed=True)


def changed(**fields: Any) -> CardProfile:
    return ACTIVATED._replace(**fields)


def intervals(card: CardProfile, configs: list[PollingConfig] = DEFAULTS) -> tuple[int | None, ...]:
    found = [interval_for(card, check_type, configs) for check_type in CheckType]
    return tuple(None if one is None else int(one.total_seconds()) for one in found)


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        (ACTIVATED, (3600, 1800, 1800)),
        (changed(real_name_status="unverified"), (60, 1800, 1800)),
        (changed(real_name_status="unknown"), (60, 1800, 1800)),
        (changed(category="industry"), (None, 1800, 1800)),
        (changed(network_status="stopped"), (21600, 21600, 21600)),
        (changed(status=2), (3600, None, None)),
        (changed(status=1), (None, None, None)),
        (changed(status=4), (None, None, None)),
        (changed(enable_polling=False), (None, None, None)),
    ],
)
def test_the_defaults_decide_for_each_kind_of_card(
    card: CardProfile, expected: tuple[int | None, ...]
) -> None:
    assert intervals(card) == expected


def test_the_first_matching_config_that_says_something_decides_even_if_it_says_off() -> None:
    silent = PollingConfig(name="a", priority=1)
    off = PollingConfig(name="b", priority=2, carddata_check_interval=0)
    later = PollingConfig(name="c", priority=3, carddata_check_interval=60)

    assert interval_for(ACTIVATED, CheckType.DATA_USAGE, [silent, later]) == timedelta(seconds=60)
    assert interval_for(ACTIVATED, CheckType.DATA_USAGE, [silent, off, later]) is None


def test_a_config_of_another_carrier_does_not_match() -> None:
    theirs = PollingConfig(name="a", priority=1, carrier_id=2, carddata_check_interval=60)

    assert interval_for(ACTIVATED, CheckType.DATA_USAGE, [theirs]) is None
    assert interval_for(changed(carrier_id=2), CheckType.DATA_USAGE, [theirs]) == timedelta(seconds=60)


def test_every_registered_check_is_registered_under_its_own_type() -> None:
    assert all(check.type is check_type for check_type, check in CHECKS.items())


@given(card=st.integers(1, 2**62), now=st.floats(0, 2**32), seconds=st.sampled_from([30, 1800, 31 * 86_400]))
def test_an_answered_card_is_due_after_its_interval_give_or_take_a_tenth(
    card: int, now: float, seconds: int
) -> None:
    interval = timedelta(seconds=seconds)

    assert interval * 0.9 <= backoff.after_answer(interval, card, now) <= interval * 1.1


def test_who_is_answered_about_in_time_keeps_to_its_interval_and_who_is_late_takes_the_next_moment() -> None:
    interval = timedelta(seconds=30)
    due_at = 1000 + backoff.after_answer(interval, 7, 1000).total_seconds()

    assert 2.9 + backoff.after_answer(interval, 7, due_at + 2.9).total_seconds() == pytest.approx(
        30, abs=0.001
    )
    assert 3.1 + backoff.after_answer(interval, 7, due_at + 3.1).total_seconds() == pytest.approx(
        36, abs=0.001
    )


def test_neighbours_that_were_answered_about_one_after_the_other_fall_due_at_the_same_moment() -> None:
    now = 1_700_000_000.0
    moments = [
        later + backoff.after_answer(HALF_HOUR, 3200 + card, now + later).total_seconds()
        for card in range(backoff.NEIGHBOURS)
        for later in (0, 0.3, 2)
    ]

    assert max(moments) - min(moments) < 0.001


def test_others_fall_due_evenly_over_a_fifth_of_the_interval() -> None:
    blocks = [
        backoff.after_answer(HALF_HOUR, card, 0).total_seconds()
        for card in range(1, 6400, backoff.NEIGHBOURS)
    ]

    assert len(set(blocks)) == 200
    in_order = sorted(blocks)
    # Of 200, two that follow each other are 1.8 s apart on average.
    assert max(later - sooner for sooner, later in itertools.pairwise(in_order)) < 4
    assert 0.99 < fmean(blocks) / 1800 < 1.01


@given(card=st.integers(1, 2**62))
def test_a_phase_is_from_0_to_below_1_and_that_of_the_neighbours(card: int) -> None:
    assert 0 <= backoff.phase(card) < 1
    assert backoff.phase(card) == backoff.phase(card // backoff.NEIGHBOURS * backoff.NEIGHBOURS)


@given(seed=st.integers(), failures=st.integers(1, 10**6))
def test_a_failing_card_is_backed_off_but_never_beyond_its_interval(seed: int, failures: int) -> None:
    delay = backoff.after_card_error(HALF_HOUR, failures, Random(seed))

    assert timedelta(seconds=30) <= delay <= HALF_HOUR


def test_back_off_doubles() -> None:
    delays = [backoff.after_card_error(timedelta(days=1), failures, Random(7)) for failures in (1, 2, 3)]

    assert delays[1] == delays[0] * 2
    assert delays[2] == delays[0] * 4


@given(card=st.integers(1, 2**62), age=st.none() | st.floats(-(10**6), 10**6))
def test_a_planned_card_is_due_after_its_interval_unless_it_is_overdue(card: int, age: float | None) -> None:
    delay = backoff.when_planned(card, age, 1800)

    if age is None or age >= 1800:
        assert delay is None
    else:
        # One "checked" in the future, by a clock that was wrong, waits an interval and no longer.
        assert delay == min(1800 - age, 1800)


@given(tokens=st.dictionaries(st.integers(1, 2**62), st.integers(0, 10), max_size=50))
def test_overdue_cards_come_over_the_ramp_and_whoever_was_asked_about_longest_ago_first(
    tokens: dict[int, int],
) -> None:
    delays = backoff.by_need(tokens, {card: token for card, token in tokens.items() if token}, ramp=60)

    assert [delay for _, delay in delays] == [60 * turn / len(tokens) for turn in range(len(tokens))]
    waited = [(tokens[card], backoff.phase(card)) for card, _ in delays]
    assert waited == sorted(waited)
    assert {card for card, _ in delays} == tokens.keys()


def test_a_ramp_that_ends_halfway_each_time_gets_to_every_card_past_those_that_stay_overdue() -> None:
    cards, in_vain = range(1, 1001), range(1, 601)
    tokens: dict[int, int] = {}
    overdue, never = set(cards), set(cards)
    for turn in range(1, 30):
        asked = [card for card, delay in backoff.by_need(overdue, tokens, ramp=60) if delay < 30]
        tokens |= dict.fromkeys(asked, turn)
        never -= set(asked)
        overdue -= set(asked) - set(in_vain)

    assert never == set()


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        ({}, []),
        ({"claim_seconds": 25}, ["polling.E001"]),
        ({"drain_seconds": 0}, ["polling.E002"]),
        ({"drain_seconds": 20}, ["polling.E002"]),
        ({"batch_cards": 0}, ["polling.E003"]),
        ({"batch_cards": 1001}, ["polling.E003"]),
        ({"seed_chunk_cards": 100_001}, ["polling.E004"]),
        ({"seed_ramp_seconds": -1}, ["polling.E005"]),
    ],
)
def test_settings_that_break_a_promise_are_refused_by_id(settings: dict[str, int], codes: list[str]) -> None:
    assert [message.id for message in problems(PollingSettings(**settings))] == codes


def test_percentiles_are_interpolated_inside_their_bucket() -> None:
    counts = [0] * BUCKETS
    counts[0], counts[4] = 50, 50  # 0 to 5 ms, 50 to 100 ms

    assert [percentile(counts, share) for share in (0.25, 0.5, 0.75, 1.0)] == [2, 5, 75, 100]


def test_durations_above_the_last_bound_are_told_as_the_bound() -> None:
    assert percentile([0] * (BUCKETS - 1) + [3], 0.5) == 10_000

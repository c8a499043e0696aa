"""How long a drain lives."""

import time

import pytest

from polling.engine.lifetime import LINGER_SECONDS, Lifetime


def test_when_one_stream_fails_the_others_end_and_no_successor_is_called_for() -> None:
    lifetime = Lifetime(seconds=15, should_stop=lambda: False)
    before = lifetime.may_claim

    lifetime.fail()

    assert (before, lifetime.may_claim, lifetime.may_call) == (True, False, False)
    # A drain whose time is up wakes the next one: during an outage that would be a storm.
    assert not lifetime.is_up


def test_a_drain_that_is_told_to_stop_claims_nothing_more() -> None:
    lifetime = Lifetime(seconds=15, should_stop=lambda: True)

    assert not lifetime.may_claim
    assert not lifetime.must_cut


def test_once_a_stream_has_ended_for_want_of_work_the_drain_takes_up_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments, seen = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: moments[-1])
    lifetime = Lifetime(seconds=15, should_stop=lambda: False)

    for wait in (LINGER_SECONDS * 0.9, LINGER_SECONDS * 0.9, LINGER_SECONDS * 1.1, 0.0):
        moments.append(moments[-1] + wait)
        seen.append(lifetime.may_claim)
        lifetime.busy()

    assert seen == [True, True, False, False]

"""How long a drain lives."""

from polling.drain.lifetime import Lifetime


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

"""When a drain stops claiming and calling."""

import time

import pytest

from polling.engine.lifetime import Lifetime


def lifetime(*, should_stop: bool = False) -> Lifetime:
    return Lifetime(seconds=15, linger_seconds=1, should_stop=lambda: should_stop)


def test_failed_stream_ends_the_others_without_a_successor() -> None:
    failed = lifetime()
    before = failed.may_claim

    failed.fail()

    assert (before, failed.may_claim, failed.may_call) == (True, False, False)
    # A failure must not set `is_up`. Otherwise the drain would wake a successor, which would fail as well.
    assert not failed.is_up


def test_stopped_drain_claims_nothing_more() -> None:
    stopped = lifetime(should_stop=True)

    assert not stopped.may_claim
    assert not stopped.must_cut


def test_drain_that_ran_out_of_work_claims_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    moments, seen = [100.0], []
    monkeypatch.setattr(time, "monotonic", lambda: moments[-1])
    lingering = lifetime()

    for wait in (0.9, 0.9, 1.1, 0.0):
        moments.append(moments[-1] + wait)
        seen.append(lingering.may_claim)
        lingering.note_work()

    assert seen == [True, True, False, False]

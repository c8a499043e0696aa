"""A server dies, and its replica takes over: read-only at first, then promoted. Checks go on within 10 s."""

import time
from datetime import UTC, datetime

import pytest

from tests.faults.conftest import MakeStack, data_usage_every
from tests.support.faults.judge import (
    assert_stored_values_match_carriers,
    count_wanted,
    invariant_holds,
    polled_since,
    seconds_to_resume,
)
from tests.support.faults.replicas import replicated

pytestmark = [pytest.mark.faults(seconds=50), pytest.mark.long_form, pytest.mark.only_long]
CARDS = 300
PROCESSES = ("worker-checks", "worker-ticks", "worker-background", "beat")
READ_ONLY_SECONDS = 3
RESUMES_WITHIN = 10
EPOCH = datetime.min.replace(tzinfo=UTC)


def test_checks_go_on_after_a_replica_is_promoted(make_stack: MakeStack) -> None:
    stack = make_stack(CARDS, data_usage_every(30), POLLING_SEED_RAMP_SECONDS="10")
    with replicated(stack) as replicas:
        stack.start_engine(with_background=True)
        stack.wait_until(
            lambda: len(polled_since(stack, EPOCH)) > CARDS // 5, seconds=60, what="cards are polled"
        )
        pids = {name: stack.pid(name) for name in PROCESSES}

        resume_times = {}
        for server in ("postgresql", "valkey"):
            replicas.fail_over(server)
            time.sleep(READ_ONLY_SECONDS)
            replicas.promote(server)
            resume_times[server] = seconds_to_resume(stack, datetime.now(UTC))
        print("\nseconds from the promotion to the first call:", resume_times)

        promoted_at = datetime.now(UTC)
        stack.make_all_due()
        stack.wait_until(
            lambda: len(polled_since(stack, promoted_at)) == count_wanted(stack),
            seconds=60,
            what="every card is polled",
        )
        assert max(resume_times.values()) < RESUMES_WITHIN
        assert {name: stack.pid(name) for name in PROCESSES} == pids
        stack.wait_until(lambda: invariant_holds(stack), seconds=20, what="scheduled + parked = wanted")
        assert_stored_values_match_carriers(stack)

"""The answer about one card kills the process that parses the answer. Only that card is parked."""

import signal

import pytest

from lab.stack import processes
from lab.stack.supervisor import Service
from polling.schedule import keys
from tests.faults.conftest import MakeStack, Stack
from tests.support.faults.judge import CHECK_TYPE, COUNT_WANTED, count_checked, count_wanted, invariant_holds

pytestmark = pytest.mark.faults(seconds=80)
PARKED = (
    "SELECT card.iccid, state.parked_where "
    "FROM cards_checkstate AS state JOIN cards_card AS card ON card.id = state.card_id "
    f"WHERE state.type = '{CHECK_TYPE}' AND state.parked_at IS NOT NULL"
)


def poisoned_worker(stack: Stack, iccid: str) -> Service:
    service = processes.checks_worker(stack.variables)
    arguments = (*service.command.arguments, "--include=tests.support.faults.poison")
    return Service(service.name, type(service.command)(arguments), {**stack.variables, "POISON_ICCID": iccid})


def test_poison_card_alone_is_parked_after_five_lost_claims(make_stack: MakeStack) -> None:
    # Use short claims, because the card is parked only after five claims have run out.
    stack = make_stack(
        220, POLLING_SEED_RAMP_SECONDS="0", POLLING_DRAIN_SECONDS="2", POLLING_CLAIM_SECONDS="13"
    )
    query = COUNT_WANTED.replace("count(*)", "iccid") + " ORDER BY id OFFSET 50 LIMIT 1"
    ((poison,),) = stack.rows(query)
    stack.supervisor.start(poisoned_worker(stack, poison))
    for make in (processes.ticks_worker, processes.beat):
        stack.supervisor.start(make(stack.variables))

    took = stack.wait_until(lambda: stack.rows(PARKED), seconds=150, what="the card is parked")
    stack.wait_until(
        lambda: count_checked(stack) == count_wanted(stack) - 1, seconds=30, what="all others are read"
    )

    print(f"\nparked after {took:.0f} s and {len(calls_with(stack, poison))} calls")
    ((parked, holder),) = stack.rows(PARKED)
    assert parked == poison
    assert holder.count(":") == 2
    assert len(calls_with(stack, poison)) == 5
    assert [len(call["cards"]) for call in calls_with(stack, poison)][2:] == [1, 1, 1]
    assert stack.redis.zcard(keys.parked(CHECK_TYPE)) == 1
    assert stack.redis.exists(keys.lost(CHECK_TYPE), keys.suspects(CHECK_TYPE)) == 0
    assert invariant_holds(stack)

    stack.kill("worker-checks", signal.SIGTERM)
    stack.supervisor.start(processes.checks_worker(stack.variables))
    stack.manage("release_parked", poison)
    stack.wait_until(
        lambda: count_checked(stack) == count_wanted(stack), seconds=40, what="the released card is read"
    )


def calls_with(stack: Stack, iccid: str) -> list[dict[str, list[str]]]:
    return [call for call in stack.calls() if iccid in call["cards"]]

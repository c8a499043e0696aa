"""A lowered limit applies at once, although calls that began before still hang. The gateway's log is the judge."""

from datetime import UTC, datetime

import pytest

from carriers import keys as gateway_keys
from tests.faults.conftest import MakeStack, Stack
from tests.support.faults.api import Api
from tests.support.faults.judge import CHECK_TYPE, invariant_holds

pytestmark = pytest.mark.faults(seconds=60)
BEFORE, AFTER = 60, 23
# Calls that hang for this long are still within their deadline, so the breaker stays closed.
HANG_MS = 5000
# A drain reviews its slots five times a second. Allow for a loaded machine.
AT_ONCE_SECONDS = 1.5
OBSERVED_SECONDS = 16


def under_way(stack: Stack, moment: datetime) -> int:
    """Return how many calls were in flight at `moment`."""
    return sum(began(call) <= moment < ended(call) for call in stack.calls())


def began(call: dict[str, str]) -> datetime:
    return datetime.fromisoformat(call["start"])


def ended(call: dict[str, str]) -> datetime:
    return datetime.fromisoformat(call["end"])


@pytest.fixture
def stack(make_stack: MakeStack) -> Stack:
    made = make_stack(
        900,
        # All cards belong to one gateway, which limits its calls more than the check type does.
        f"UPDATE carriers_gateway SET batch_size = 1, timeout_seconds = 9, max_concurrency = {BEFORE}",
        "UPDATE cards_card SET gateway_id = (SELECT min(id) FROM carriers_gateway)",
        "UPDATE polling_concurrencylimit SET max_concurrency = 200",
        POLLING_SEED_RAMP_SECONDS="0",
    )
    # Most calls hang. The others are answered at once, so that slots become free all the time.
    made.simulator.fault(path="/c/", kind="latency", milliseconds=HANG_MS, share=0.6)
    made.start_engine(with_background=True)
    return made


@pytest.mark.parametrize("limit", ["gateway", "check type"])
def test_lowered_limit_is_in_force_beside_hanging_calls(stack: Stack, limit: str) -> None:
    api = Api(stack)
    stack.wait_until(stack.calls, seconds=60, what="a call")
    stack.make_all_due()
    # A call that hangs is logged when it ends.
    stack.wait(HANG_MS / 1000)

    ((gateway,),) = stack.rows("SELECT min(id) FROM carriers_gateway")
    path = f"gateways/{gateway}" if limit == "gateway" else f"polling-concurrency/{CHECK_TYPE}"
    stack.make_all_due()
    stack.wait_until(
        lambda: stack.redis.zcard(gateway_keys.slots(gateway)) > BEFORE - 10,
        seconds=30,
        what="most slots of the gateway are taken",
    )
    # On a busy machine, some of the calls on these slots have not begun yet.
    stack.wait(1)
    changed_at = datetime.now(UTC)
    answer = api.put(path, {"max_concurrency": AFTER})
    assert answer.status_code == 200, answer.text
    in_force_at = datetime.now(UTC).timestamp() + AT_ONCE_SECONDS
    stack.wait(OBSERVED_SECONDS)

    assert under_way(stack, changed_at) > AFTER + 10
    late = [call for call in stack.calls() if began(call).timestamp() > in_force_at]
    assert len(late) > AFTER
    assert max(under_way(stack, began(call)) for call in late) <= AFTER
    assert invariant_holds(stack)

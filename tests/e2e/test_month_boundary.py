"""Every card's last readings of a billing month and first readings of the next are stored correctly."""

import os
import random
import time
from collections.abc import Iterator, Sequence
from datetime import datetime

import pytest

from tests.faults.conftest import MakeStack, Stack, data_usage_every
from tests.support.e2e import fleet, judge, months
from tests.support.e2e.checking import check
from tests.support.faults.judge import invariant_holds

pytestmark = [pytest.mark.processes, pytest.mark.long_form]

CHECK_TYPES = ("carddata", "realname", "package")
CARDS, SMOKE_CARDS = 5_000, 400


def check_all(stack: Stack, check_types: Sequence[str] = CHECK_TYPES) -> judge.Round:
    """Make the real workers check every card once, and return what is stored afterwards."""
    began_at = stack.simulator.clock()
    for check_type in check_types:
        since = check(stack, check_type)
        assert [*judge.judge_check_states(stack, check_type, since=since)][:5] == []
    return ended_round(stack, began_at=began_at)


def ended_round(stack: Stack, *, began_at: datetime) -> judge.Round:
    return judge.Round(began_at, stack.simulator.clock(), fleet.meters(stack), fleet.plain_plans(stack))


def judgements(boundary: judge.Boundary) -> Iterator[tuple[str, Iterator[str]]]:
    stack, second = boundary.stack, boundary.second
    expected = boundary.expectations()
    yield "meters", judge.judge_meters(boundary, expected)
    yield "history", judge.judge_history(boundary, expected)
    yield "subscriptions", judge.judge_subscriptions(boundary, expected)
    yield "network", judge.judge_network(stack, boundary.cards, at=second.ended_at)
    yield "real names", judge.judge_real_names(stack, second)
    yield "packages", judge.judge_packages(second.plans, boundary.cards)


def test_every_card_crosses_its_carriers_month_boundary(make_stack: MakeStack, is_long: bool) -> None:
    seed = int(os.environ.get("FLEET_SEED") or random.randrange(1_000_000))
    eve = months.quiet_eve()
    started = time.monotonic()
    print(f"\nFLEET_SEED={seed}, read from {eve} on")

    stack = make_stack(
        CARDS if is_long else SMOKE_CARDS,
        # No card may be due by itself during a round, because it would be read twice.
        data_usage_every(86_400),
        "UPDATE cards_checkstate SET checked_at = now()",
        fleet_at=eve,
        seed=seed,
        POLLING_SEED_RAMP_SECONDS="0",
    )
    stack.simulator.set_clock(eve)
    # Let some cards be over their quota as soon as any usage is certain.
    stack.rows(
        "UPDATE cards_subscription SET quota_mb = 0, virtual_quota_mb = NULL WHERE id % 5 = 0 RETURNING id"
    )
    cards, start = fleet.column(stack, "iccid", of=fleet.WANT_USAGE), ended_round(stack, began_at=eve)
    prepared = time.monotonic()
    stack.start_engine()
    first = check_all(stack)
    stack.simulator.set_clock(None)
    second = check_all(stack)

    checked = time.monotonic()
    boundary = judge.Boundary(stack, cards, start, first, second)
    errors = {subject: [*found] for subject, found in judgements(boundary)}
    print(
        f"{len(cards)} cards polled, {len(start.plans)} plain plans; prepared in {prepared - started:.0f} s, "
        f"checked twice in {checked - prepared:.0f} s, judged in {time.monotonic() - checked:.0f} s"
    )
    assert {subject: (len(found), found[:5]) for subject, found in errors.items() if found} == {}
    # Growth since the first reading of the new month is certain.
    check_all(stack, ("carddata", "package"))
    assert [*judge.judge_orders(stack)] == []
    assert invariant_holds(stack)

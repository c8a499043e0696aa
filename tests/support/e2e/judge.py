"""Judge what two rounds of checks have stored for every card. A month boundary lies between the rounds.

The truth comes from the simulator, not from the engine's metering. Each `judge_*` function yields one message
for each error, and nothing if all is well.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from cards.meter_limits import JITTER_SHARE
from lab.simulator.fleet import SimulatedCarrier
from tests.faults.conftest import Stack
from tests.support.e2e import fleet, months
from tests.support.e2e.fleet import Meter, Plan, Record

ZERO = Decimal(0)


@dataclass(frozen=True)
class Round:
    """One round of checks, in simulated time.

    `meters` and `plans` map card ids to what is stored at the end of the round.
    """

    began_at: datetime
    ended_at: datetime
    meters: Mapping[int, Meter]
    plans: Mapping[int, Plan]


@dataclass(frozen=True)
class Expected:
    """The meter that must be stored after a reading of `raw_mb`, and how many MB the reading must have added.

    `last_added_mb` is what it must have added to the previous cycle.
    """

    meter: Meter
    raw_mb: Decimal
    added_mb: Decimal
    last_added_mb: Decimal = ZERO

    @property
    def records(self) -> list[Record]:
        meter = self.meter
        last = Record(meter.measured_at, self.raw_mb, meter.last_month_total_mb, self.last_added_mb)
        record = Record(meter.measured_at, self.raw_mb, meter.used_mb, self.added_mb)
        return [last, record] if self.last_added_mb else [record]


@dataclass(frozen=True)
class Boundary:
    """What is stored before the first of two rounds of checks, and after each round.

    A month boundary lies between the rounds. `cards` maps the id of each polled card to its ICCID.
    """

    stack: Stack
    cards: Mapping[int, str]
    start: Round
    first: Round
    second: Round

    def expectations(self) -> dict[int, tuple[Expected, Expected]]:
        """Return card id -> pair: what must be stored after the first round, and after the second round.

        Cards that were not read in both rounds are left out.
        """
        read = [card for card in self.cards if card in self.first.meters and card in self.second.meters]
        raws = [
            self._raws({card: checked.meters[card].measured_at for card in read})
            for checked in (self.first, self.second)
        ]
        found = {}
        for card in read:
            carrier = fleet.carrier_of(self.cards[card])
            before = _before(carrier, self.start.meters.get(card), raws[0][card], self.first.meters[card])
            found[card] = before, _after(carrier, before, raws[1][card], self.second.meters[card])
        return found

    def _raws(self, moments: Mapping[int, datetime]) -> dict[int, Decimal]:
        found = fleet.truths(self.stack, [(self.cards[card], moment) for card, moment in moments.items()])
        return {card: Decimal(truth["used_mb"]) for card, truth in zip(moments, found, strict=True)}


def _before(carrier: SimulatedCarrier, start: Meter | None, raw: Decimal, stored: Meter) -> Expected:
    cycle = months.first_day(carrier, stored.measured_at)
    if start is None:
        used = ZERO if carrier.is_lifetime else raw
        return Expected(Meter(raw, used, ZERO, cycle, stored.measured_at), raw, used)
    added = raw - start.raw_mb
    used = start.used_mb + added if carrier.is_lifetime else raw
    return Expected(Meter(raw, used, start.last_month_total_mb, cycle, stored.measured_at), raw, added)


def _after(carrier: SimulatedCarrier, before: Expected, raw: Decimal, stored: Meter) -> Expected:
    growth, last = raw - before.meter.raw_mb, before.meter.used_mb
    cycle = months.first_day(carrier, stored.measured_at)
    if carrier.is_lifetime:
        # A lifetime counter does not show when it grew, so the growth is split by time.
        split = months.last_boundary(carrier, stored.measured_at)
        gap = stored.measured_at - before.meter.measured_at
        added = _share(growth, stored.measured_at - split, gap)
        moved = _share(growth, split - before.meter.measured_at, gap)
        return Expected(Meter(raw, added, last + moved, cycle, stored.measured_at), raw, added, moved)
    if growth >= -before.meter.raw_mb * JITTER_SHARE:
        # The counter may have restarted unseen, or not. Only its growth is certain.
        highest = max(raw, before.meter.raw_mb)
        return Expected(
            Meter(highest, max(ZERO, growth), last, cycle, stored.measured_at), raw, max(ZERO, growth)
        )
    # A monthly counter restarts at the boundary, so the usage from the first round to then is lost.
    return Expected(Meter(raw, raw, last, cycle, stored.measured_at), raw, raw)


def _share(amount: Decimal, part: timedelta, whole: timedelta) -> Decimal:
    return (amount * Decimal(part / whole)).quantize(Decimal("0.001"))


def judge_meters(boundary: Boundary, expected: Mapping[int, tuple[Expected, Expected]]) -> Iterator[str]:
    """Verify that exactly the polled cards were read in both rounds, and their meters are as expected."""
    for checked in (boundary.first, boundary.second):
        strangers = checked.meters.keys() ^ boundary.cards.keys()
        yield from (f"card {card} was read but should not be, or the reverse" for card in strangers)
    for card, both in expected.items():
        for checked, must in zip((boundary.first, boundary.second), both, strict=True):
            found = checked.meters[card]
            if found != must.meter:
                yield f"{boundary.cards[card]}: {found}, but it must be {must.meter}"
            if not checked.began_at <= found.measured_at <= checked.ended_at:
                yield f"{boundary.cards[card]}: measured at {found.measured_at}, which is outside the round"


def judge_history(boundary: Boundary, expected: Mapping[int, tuple[Expected, Expected]]) -> Iterator[str]:
    """Verify that each card's history has only readings of the two rounds and adds up to the card's usage."""
    history = fleet.history(boundary.stack)
    yield from (
        f"card {card} has a history, but is not polled" for card in history.keys() - boundary.cards.keys()
    )
    for card, (before, after) in expected.items():
        records, added = history.get(card, []), before.added_mb + after.added_mb + after.last_added_mb
        expected_records = [*before.records, *after.records]
        wrong = [record for record in records if record not in expected_records]
        missing = [record for record in after.records if record not in records]
        if wrong or missing or sum(record.delta_mb for record in records) != added:
            yield f"{boundary.cards[card]}: {records}, but they must be {expected_records}"


def judge_subscriptions(
    boundary: Boundary, expected: Mapping[int, tuple[Expected, Expected]]
) -> Iterator[str]:
    """Verify that each monthly plan counted usage in the right month, and started from 0 in the new month."""
    for card, plan in boundary.start.plans.items():
        if card not in expected:
            continue
        before, after = expected[card]
        # The plan began later than the cycle of a card's first reading, so this usage does not count.
        added = before.added_mb if card in boundary.start.meters else ZERO
        must = [
            (plan.used_mb + added, plan.period_start),
            (after.added_mb, after.meter.cycle_start),
        ]
        after_rounds = (boundary.first.plans[card], boundary.second.plans[card])
        found = [(stored.used_mb, stored.period_start) for stored in after_rounds]
        if found != must:
            yield f"{boundary.cards[card]}: its plan has counted {found}, but it must be {must}"


def judge_check_states(stack: Stack, check_type: str, *, since: datetime) -> Iterator[str]:
    """Verify that exactly the scheduled cards had a good answer after `since`, and no later failure."""
    good = {
        card
        for (card,) in stack.rows(
            f"SELECT card_id FROM cards_checkstate WHERE type = '{check_type}' AND checked_at >= '{since.isoformat()}' "
            "AND failures = 0 AND error = '' AND failing_since IS NULL AND parked_at IS NULL"
        )
    }
    scheduled = stack.scheduled(check_type)
    yield from (
        f"card {card} has no good answer to {check_type}, or is not scheduled" for card in scheduled ^ good
    )


def judge_network(stack: Stack, cards: Mapping[int, str], *, at: datetime) -> Iterator[str]:
    """Verify that the stored network statuses are the carrier's, which every usage answer contains."""
    stored = fleet.column(stack, "network_status")
    found = fleet.truths(stack, [(iccid, at) for iccid in cards.values()])
    for card, truth in zip(cards, found, strict=True):
        if stored[card] != truth["network_status"]:
            yield f"{cards[card]} is {stored[card]}, but the carrier says {truth['network_status']}"


def judge_real_names(stack: Stack, checked: Round) -> Iterator[str]:
    """Verify that the stored real-name statuses are the carrier's, and that no industry card was checked."""
    cards = fleet.column(stack, "iccid", of=fleet.WANT_REAL_NAME)
    stored = fleet.column(stack, "real_name_status")
    found = fleet.truths(
        stack, [(iccid, at) for iccid in cards.values() for at in (checked.began_at, checked.ended_at)]
    )
    # If a card was verified during the round, the statuses before and after it are both correct.
    for card, before, after in zip(cards, found[::2], found[1::2], strict=True):
        right = {before["real_name_status"], after["real_name_status"]}
        if stored[card] not in right:
            yield f"{cards[card]} is {stored[card]}, but the carrier says {right}"
    for (iccid,) in stack.rows(
        "SELECT iccid FROM cards_card JOIN cards_checkstate AS state ON state.card_id = cards_card.id "
        "WHERE category = 'industry' AND state.type = 'realname'"
    ):
        yield f"{iccid} is an industry card, but its real name was checked"


def judge_packages(plans: Mapping[int, Plan], cards: Mapping[int, str]) -> Iterator[str]:
    """Verify that each plan's state is right for the least usage, and its possible state for the most."""
    for card, plan in plans.items():
        least = _state(max(ZERO, plan.used_mb - plan.over_mb), plan.allowance_mb)
        most = _state(plan.used_mb + plan.under_mb, plan.allowance_mb)
        must = (least, None if most == least else most)
        if card in cards and (plan.state, plan.possible_state) != must:
            yield f"{cards[card]}: its plan must be {must}: {plan}"


def _state(used: Decimal, allowance: Decimal) -> str:
    """Return over, near (from 95 % of the allowance on) or normal."""
    is_near = used and used * 100 >= allowance * 95
    return "over" if used > allowance else "near" if is_near else "normal"


def judge_orders(stack: Stack) -> Iterator[str]:
    """Verify that each activated card over its quota has one proposed suspension, and others have none.

    A card whose readings are held, or whose counter may still restart, may have one from an earlier time.
    """
    # A card's own plan takes precedence over its device's plan.
    over: dict[int, bool] = dict(
        stack.rows(
            """
            SELECT card.id, meter.suspect_since IS NULL AND meter.restart IN ('seen', 'missed')
                AND (meter.before_at IS NULL OR meter.before_at < meter.measured_at)
            FROM cards_card AS card
            JOIN LATERAL (
                SELECT state FROM cards_subscription AS plan
                WHERE kind = 'main' AND ends_at IS NULL AND (plan.card_id = card.id OR plan.device_id = card.device_id)
                ORDER BY plan.card_id IS NULL LIMIT 1
            ) AS main ON main.state = 'over'
            JOIN cards_cardusage AS meter ON meter.card_id = card.id
            WHERE deleted_at IS NULL AND enable_polling AND status = 3 AND network_status <> 'stopped'
            """
        )
    )
    orders = stack.rows(
        "SELECT card_id FROM cards_serviceorder WHERE action = 'suspend' AND status = 'proposed'"
    )
    proposed = Counter(card for (card,) in orders)
    certain = {card for card, is_certain in over.items() if is_certain}
    if not certain:
        yield "no card is certainly over its quota, so the orders cannot be judged"
    wrong, missing = proposed.keys() - over.keys(), certain - proposed.keys()
    if wrong or missing or set(proposed.values()) - {1}:
        yield f"suspensions are wrongly proposed for {wrong}, missing for {missing}, or repeated: {proposed}"

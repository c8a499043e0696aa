"""Generates the demo fleet's rows as lines for COPY, ten cards at a time.

Pure, so the same seed and time generate the same rows. All amounts are what the simulator would have
answered at `read_at`, the time of every card's last reading.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cards.models import Card, Plan, PlanCycle
from cards.periods import period_of
from carriers.clients.base import CardErrorCode
from carriers.cycles import cycles_between
from carriers.models import Carrier
from lab.demo import plans
from lab.simulator.fleet import SimulatedCarrier, cycle_of, monthly_mb, verified_at

BLOCK = 10
ICCID_DIGITS = 20
# Each block has one device, and the cards at these two positions are in it. Both cards have the same carrier,
# because the three carriers alternate from card to card.
IN_DEVICE = (0, 3)
NULL = "\\N"

# Each number is the share (0 to 1) of cards or subscriptions with a property, among those that can have it.
POLLED, DELETED, INDUSTRY = 0.99, 0.001, 0.1
STOPPED, FAILING = 0.005, 0.005
SUBSCRIBED, WITH_ADD_ON, BY_QUARTER = 0.95, 0.02, 0.05
OVER, NEAR = 0.005, 0.005
STATUSES = (
    (Card.Status.ACTIVATED, 0.94),
    (Card.Status.DISTRIBUTED, 0.02),
    (Card.Status.IN_STOCK, 0.02),
    (Card.Status.DEACTIVATED, 0.02),
)
# In every tenth device, the first card can have its own subscription. A card's own subscription takes
# precedence over the device's subscription.
OWN_IN_DEVICE = 10 * BLOCK

COLUMNS: Mapping[str, str] = {
    "cards_device": "id, serial, imei, name, agent_id",
    "cards_card": "id, iccid, imsi, msisdn, carrier_id, agent_id, device_id, category, status, "
    "real_name_status, network_status, enable_polling, deleted_at",
    "cards_checkstate": "card_id, type, token, checked_at, failures, error, failing_since, parked_where",
    "cards_cardusage": "card_id, cycle_start, used_mb, last_month_total_mb, raw_mb, measured_at",
    "cards_subscription": "card_id, device_id, plan_id, carrier_id, kind, cycle, quota_mb, virtual_quota_mb, starts_at, "
    "ends_at, period_start, used_mb, quota_version, state, judged_at",
}


@dataclass(frozen=True)
class CarrierCycle:
    """A carrier's position in its billing cycles at the time of reading, computed once for all its cards.

    Three numbers of cycles, with fractions: `counted_cycles` is how many cycles a card's counter covers,
    `used_cycles` is the part of the present cycle that has passed (0 to 1), and `quarter_cycles` is the time
    since the present 90-day period began.
    """

    carrier_id: int
    prefix: str
    counted_cycles: float
    used_cycles: float
    cycle_start: str
    quarter_start: str
    quarter_cycles: float


@dataclass(frozen=True)
class Meter:
    """A card's usage: `monthly_mb` MB per cycle, and `used` thousandths of a MB in the present cycle."""

    monthly_mb: int
    used: int


class Rows:
    """A generator of the rows of one fleet, block by block.

    `leaves` are the ids of the agents that own cards. `first_card` and `first_device` are the first reserved
    ids. `demo_plans` are the monthly plans, smallest first, followed by the 90-day plan.
    """

    def __init__(
        self,
        *,
        seed: int,
        read_at: datetime,
        carriers: Sequence[tuple[SimulatedCarrier, Carrier]],
        leaves: Sequence[int],
        demo_plans: Sequence[Plan],
        first_card: int,
        first_device: int,
    ) -> None:
        self._chance = random.Random(seed)
        self._read_at = read_at
        self._begun_at = read_at - timedelta(days=100)
        self._quarter_at = read_at - timedelta(days=45)
        self._cycles = [
            _carrier_cycle(simulated, carrier.pk, read_at, self._quarter_at)
            for simulated, carrier in carriers
        ]
        self._leaves = leaves
        self._monthly, self._quarter = demo_plans[:-1], demo_plans[-1]
        self._first_card, self._first_device = first_card, first_device

    def block(self, numbers: range) -> Iterator[tuple[str, str]]:
        """Yield the rows of one block of cards, as pairs of a table's name and a line for COPY.

        `numbers` are the cards' numbers in the fleet. A row comes after the rows that it refers to.
        """
        # Square the random number to make many agents small, because their queries must be fast, too.
        agent_id = self._leaves[int(len(self._leaves) * self._chance.random() ** 2)]
        device_id = self._first_device + numbers.start // BLOCK
        has_device = len(numbers) > max(IN_DEVICE)
        if has_device:
            yield (
                "cards_device",
                _line(
                    device_id, f"DEV{device_id:09d}", f"35{device_id:013d}", f"Tracker {device_id}", agent_id
                ),
            )
        shared: list[Meter] = []
        for number in numbers:
            is_inside = has_device and number % BLOCK in IN_DEVICE
            yield from self._card(number, agent_id, device_id if is_inside else None, shared)
        if shared:
            yield self._subscription(NULL, device_id, self._cycles[numbers.start % len(self._cycles)], shared)

    def _card(
        self, number: int, agent_id: int, device_id: int | None, shared: list[Meter]
    ) -> Iterator[tuple[str, str]]:
        cycle, chance, card_id = (
            self._cycles[number % len(self._cycles)],
            self._chance,
            self._first_card + number,
        )
        iccid = f"{cycle.prefix}{number:0{ICCID_DIGITS - len(cycle.prefix)}d}"
        status = _status(chance.random())
        is_polled = chance.random() < POLLED
        is_deleted = chance.random() < DELETED
        yield "cards_card", _line(
            card_id, iccid, f"460{number:012d}", f"86{number:011d}", cycle.carrier_id, agent_id,
            device_id or NULL, "industry" if chance.random() < INDUSTRY else "normal", status.value,
            _real_name(status, iccid, self._read_at), _network(status, chance.random()),
            "t" if is_polled else "f", self._read_at.isoformat() if is_deleted else NULL,
        )  # fmt: skip
        if not is_polled or is_deleted or status is not Card.Status.ACTIVATED:
            return
        monthly = monthly_mb(iccid)
        meter = Meter(monthly, int(monthly * cycle.used_cycles * 1000))
        yield self._check_state(card_id)
        yield "cards_cardusage", _line(
            card_id, cycle.cycle_start, _mb(meter.used), _mb(monthly * 1000),
            _mb(int(monthly * cycle.counted_cycles * 1000)), self._read_at.isoformat(),
        )  # fmt: skip
        if device_id and number % OWN_IN_DEVICE:
            shared.append(meter)
        elif chance.random() < SUBSCRIBED:
            has_add_on = chance.random() < WITH_ADD_ON
            yield self._subscription(card_id, NULL, cycle, [meter], is_ordinary=has_add_on)
            if has_add_on:
                yield self._add_on(card_id, cycle)

    def _check_state(self, card_id: int) -> tuple[str, str]:
        read_at = self._read_at.isoformat()
        if self._chance.random() < FAILING:
            day_before = (self._read_at - timedelta(days=1)).isoformat()
            line = _line(card_id, "carddata", 0, day_before, 3, CardErrorCode.BUSY.words, read_at, "")
        else:
            line = _line(card_id, "carddata", 0, read_at, 0, "", NULL, "")
        return "cards_checkstate", line

    def _subscription(
        self,
        card_id: int | str,
        device_id: int | str,
        cycle: CarrierCycle,
        meters: Sequence[Meter],
        *,
        is_ordinary: bool = False,
    ) -> tuple[str, str]:
        chance = self._chance.random()
        monthly, used = sum(meter.monthly_mb for meter in meters), sum(meter.used for meter in meters)
        plan, state, starts_at, period = (
            plans.fitting(self._monthly, monthly),
            "normal",
            self._begun_at,
            cycle.cycle_start,
        )
        quota = _mb(int(plan.quota_mb * 1000))
        virtual = NULL if plan.virtual_quota_mb is None else _mb(int(plan.virtual_quota_mb * 1000))
        if chance < OVER + NEAR and used and not is_ordinary:
            # Give these subscriptions individual quotas, so that their usage is over or near the quota.
            state, share = ("over", 0.9) if chance < OVER else ("near", 1.03)
            quota, virtual = _mb(int(used * share)), NULL
        elif chance > 1 - BY_QUARTER:
            plan, starts_at, period = self._quarter, self._quarter_at, cycle.quarter_start
            quota, virtual, used = (
                _mb(int(plan.quota_mb * 1000)),
                NULL,
                int(monthly * cycle.quarter_cycles * 1000),
            )
        return "cards_subscription", _line(
            card_id, device_id, plan.pk, cycle.carrier_id, "main", plan.cycle, quota, virtual, starts_at.isoformat(),
            NULL, period, _mb(used), 1, state, self._read_at.isoformat(),
        )  # fmt: skip

    def _add_on(self, card_id: int, cycle: CarrierCycle) -> tuple[str, str]:
        # The add-on ends after the plan's period, so usage counts against the plan first.
        ends_at = (self._read_at + timedelta(days=200)).isoformat()
        plan = self._monthly[1]
        return "cards_subscription", _line(
            card_id, NULL, plan.pk, cycle.carrier_id, "add_on", plan.cycle, _mb(int(plan.quota_mb * 1000)), NULL,
            self._begun_at.isoformat(), ends_at, cycle.cycle_start, "0", 1, "normal", NULL,
        )  # fmt: skip


def _carrier_cycle(
    simulated: SimulatedCarrier, carrier_id: int, read_at: datetime, quarter_at: datetime
) -> CarrierCycle:
    cycle = cycle_of(simulated, read_at)
    counted = cycle.counted(read_at)
    quarter = period_of(read_at, cycle=PlanCycle.DAYS_90, starts_at=quarter_at, calendar=simulated.calendar)
    begin = simulated.calendar.start_of(quarter)
    first, present = simulated.calendar.cycle_of(begin), simulated.calendar.cycle_of(read_at)
    start, end = simulated.calendar.bounds_of(first)
    return CarrierCycle(
        carrier_id=carrier_id,
        prefix=simulated.prefix,
        counted_cycles=counted,
        used_cycles=counted - cycle.earlier,
        cycle_start=present.isoformat(),
        quarter_start=quarter.isoformat(),
        quarter_cycles=cycles_between(first, present)
        + counted
        - cycle.earlier
        - (begin - start) / (end - start),
    )


def _status(chance: float) -> Card.Status:
    for status, share in STATUSES:
        if chance < share:
            return status
        chance -= share
    return STATUSES[-1][0]


def _real_name(status: Card.Status, iccid: str, at: datetime) -> str:
    if status is Card.Status.IN_STOCK:
        return "unknown"
    return "verified" if at >= verified_at(iccid) else "unverified"


def _network(status: Card.Status, chance: float) -> str:
    if status in (Card.Status.IN_STOCK, Card.Status.DISTRIBUTED):
        return "unknown"
    return "stopped" if status is Card.Status.DEACTIVATED or chance < STOPPED else "online"


def _mb(thousandths: int) -> str:
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def _line(*values: object) -> str:
    return "\t".join(map(str, values))

"""Cards whose counters are faulty: their plans, and judgements of what the product makes of their readings.

Each `judge_*` function yields one message for each error, and nothing if all is well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from lab.simulator.fleet import CARRIERS
from tests.faults.conftest import Stack
from tests.support.e2e import fleet, months

# All cards are activated, and each has a subscription of its own, which begins before the first reading.
ALL_ACTIVATED = (
    "UPDATE cards_card SET status = 3, enable_polling = true, deleted_at = NULL, network_status = 'online', "
    "device_id = NULL"
)
NO_SUBSCRIPTIONS = "DELETE FROM cards_subscription"
# A month must be this old for its usage to be told apart from what a late restart hides.
OLD_ENOUGH = timedelta(days=3)
# The quotas, as shares of the true usage.
OVER, WITHIN = Decimal("0.5"), Decimal("1.5")
# Growth over a day around the start of a month counts in the new month, and figures may be six hours old.
UNSEEN = timedelta(hours=30)


@dataclass(frozen=True)
class Order:
    """A service order: when it was made, and its status."""

    created_at: datetime
    status: str


def subscriptions(eve: datetime) -> list[str]:
    """Return the SQL that gives each card a subscription with a plan that suspends, in the month of `eve`."""
    return [
        "INSERT INTO cards_subscription (card_id, plan_id, carrier_id, kind, cycle, quota_mb, starts_at, "
        "period_start, used_mb, quota_version, state) "
        "SELECT card.id, plan.id, carrier.id, 'main', 'month', 1000000, "
        f"'{(eve - timedelta(days=100)).isoformat()}', '{months.first_day(carrier, eve)}', 0, 1, 'normal' "
        "FROM cards_card AS card JOIN carriers_carrier AS carrier ON carrier.id = card.carrier_id "
        "JOIN cards_plan AS plan ON plan.code = 'small' AND plan.auto_suspend = 'on' "
        f"WHERE carrier.code = '{carrier.code}'"
        for carrier in CARRIERS
    ]


def used_in_month(
    stack: Stack, cards: Mapping[int, str], at: datetime, *, unseen: timedelta = timedelta()
) -> dict[int, Decimal]:
    """Return card id -> true usage from the start of the carrier's billing month until `at`.

    Begin `unseen` earlier for lifetime counters, because no reading shows them at the start of the month.
    """
    boundaries = {
        carrier: months.last_boundary(carrier, at) - unseen for carrier in CARRIERS if carrier.is_lifetime
    }
    lifetime = {card: iccid for card, iccid in cards.items() if fleet.carrier_of(iccid) in boundaries}
    now = fleet.truths(stack, [(iccid, at) for iccid in cards.values()])
    before = fleet.truths(
        stack, [(iccid, boundaries[fleet.carrier_of(iccid)]) for iccid in lifetime.values()]
    )
    used = {card: Decimal(truth["used_mb"]) for card, truth in zip(cards, now, strict=True)}
    for card, truth in zip(lifetime, before, strict=True):
        used[card] -= Decimal(truth["used_mb"])
    return used


def set_quotas(stack: Stack, cards: Mapping[int, str], at: datetime) -> dict[int, Decimal]:
    """Let every other card be over its quota at `at`, and the others not. Return card id -> quota."""
    quotas = {}
    for card, used in used_in_month(stack, cards, at).items():
        carrier = fleet.carrier_of(cards[card])
        is_over = card % 2 and at - months.last_boundary(carrier, at) > OLD_ENOUGH
        quotas[card] = (used * (OVER if is_over else WITHIN)).quantize(Decimal("0.001"))
    values = ", ".join(f"({card}, {quota})" for card, quota in quotas.items())
    stack.rows(
        f"UPDATE cards_subscription AS plan SET quota_mb = quota.mb FROM (VALUES {values}) AS quota (card, mb) "
        "WHERE plan.card_id = quota.card RETURNING id"
    )
    return quotas


def proposed(stack: Stack) -> set[int]:
    """Return the cards that were ever proposed for suspension, even if the proposal was cancelled later."""
    return {card for (card,) in stack.rows("SELECT card_id FROM cards_serviceorder WHERE action = 'suspend'")}


def flagged(stack: Stack) -> set[int]:
    """Return the cards whose usage a person can see to be uncertain, or whose carrier's counters are wrong."""
    rows = stack.rows(
        """
        SELECT card.id FROM cards_card AS card
        LEFT JOIN cards_cardusage AS meter ON meter.card_id = card.id
        LEFT JOIN cards_checkstate AS state ON state.card_id = card.id AND state.type = 'carddata'
        LEFT JOIN cards_subscription AS plan ON plan.card_id = card.id
        WHERE meter.doubt IS NOT NULL OR meter.suspect_since IS NOT NULL OR meter.restart IN ('awaited', 'unknown', 'likely')
            OR plan.possible_state = 'over'
            OR state.checked_at - meter.measured_at > interval '6 hours'
            OR card.carrier_id IN (SELECT carrier_id FROM cards_counterfinding)
        """
    )
    return {card for (card,) in rows}


def judge_proposals(
    stack: Stack, proposals: Mapping[int, str], quotas: Mapping[int, Decimal]
) -> Iterator[str]:
    """Verify that the cards that are proposed for suspension are truly over their quotas now."""
    at = stack.simulator.clock()
    for card, used in used_in_month(stack, proposals, at, unseen=UNSEEN).items():
        if used <= quotas[card]:
            yield f"{proposals[card]} is proposed at {at}, but used {used} of {quotas[card]} MB: {told(stack, card)}"


def over(stack: Stack, cards: Mapping[int, str], quotas: Mapping[int, Decimal], at: datetime) -> set[int]:
    """Return the cards that are truly over their quota at `at`."""
    return {card for card, used in used_in_month(stack, cards, at).items() if used > quotas[card]}


def judge_omissions(
    stack: Stack, cards: Mapping[int, str], quotas: Mapping[int, Decimal], at: datetime
) -> Iterator[str]:
    """Verify that each card that is truly over its quota at `at` is proposed for suspension, or is flagged."""
    for card in over(stack, cards, quotas, at) - proposed(stack) - flagged(stack):
        yield f"{cards[card]} is not flagged, but over {quotas[card]} MB: {told(stack, card)}"


def judge_sums(stack: Stack) -> Iterator[str]:
    """Verify that the records of each card's present cycle add up to the usage of its meter."""
    for iccid, used, recorded in stack.rows(
        """
        SELECT card.iccid, meter.used_mb, coalesce(sum(record.delta_mb), 0)
        FROM cards_cardusage AS meter JOIN cards_card AS card ON card.id = meter.card_id
        LEFT JOIN cards_usagerecord AS record
            ON record.card_id = meter.card_id AND record.cycle_start = meter.cycle_start
        GROUP BY card.id, meter.id HAVING meter.used_mb <> coalesce(sum(record.delta_mb), 0)
        """
    ):
        yield f"{iccid}: the meter has {used} MB, but the records {recorded} MB"


def told(stack: Stack, card: int) -> str:
    """Return what is stored about a card: its meter, its subscription, and its latest records."""
    meter = stack.rows(
        f"SELECT row_to_json(cards_cardusage)::text FROM cards_cardusage WHERE card_id = {card}"
    )
    plan = stack.rows(
        f"SELECT used_mb, period_start, state, possible_state FROM cards_subscription WHERE card_id = {card}"
    )
    records = stack.rows(
        "SELECT measured_at, raw_mb, used_mb, delta_mb, cycle_start FROM cards_usagerecord "
        f"WHERE card_id = {card} ORDER BY id DESC LIMIT 8"
    )
    lines = (
        f"{measured_at:%m-%d %H:%M} {raw} -> {used} ({delta}, {cycle})"
        for measured_at, raw, used, delta, cycle in reversed(records)
    )
    return f"{plan} {meter[0][0] if meter else None} {'; '.join(lines)}"

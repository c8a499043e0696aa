"""Decide for many cards whether their quotas are used up, and store the resulting states."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from cards import allowances
from cards.quota import Balance, State
from cards.usage_allocation import Allowance, applicable


@dataclass(frozen=True)
class Judgement:
    """The main subscription that a card uses, and the state of its quota.

    `balance` is the total of the main subscription and its add-ons.
    """

    main: Allowance
    balance: Balance
    state: State


def judge(cards: Sequence[int], *, now: datetime) -> Mapping[int, Judgement]:
    """Return card id -> judgement. Cards without a plan in force now are left out.

    Needs a transaction. Until the transaction ends, the subscriptions stay locked: they cannot change, and a
    batch with other cards of the same device has to wait.
    """
    candidates = allowances.in_force([(card_id, now) for card_id in cards])
    known = allowances.lock({allowance_id for ids in candidates.values() for allowance_id in ids})
    # Cards of one device have the same subscriptions. Judge each combination of subscriptions only once.
    judged: dict[tuple[int, ...], Judgement | None] = {}
    for ids in set(map(tuple, candidates.values())):
        judged[ids] = _judgement([known[allowance_id] for allowance_id in ids if allowance_id in known], now)
    found = ((card_id, judged[tuple(ids)]) for card_id, ids in candidates.items())
    return {card_id: judgement for card_id, judgement in found if judgement}


def store(judgements: Iterable[Judgement], *, now: datetime) -> None:
    """Store changed quota states in the main subscriptions, which `judge` must have locked.

    An unchanged quota state is not written, because the `CheckState` of each card already shows that the
    check took place.
    """
    states = {
        judgement.main.id: judgement.state.value
        for judgement in judgements
        if judgement.state is not judgement.main.stored_state
    }
    if not states:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cards_subscription AS main SET state = judged.state, judged_at = %s
            FROM unnest(%s::bigint[], %s::text[]) AS judged(id, state)
            WHERE main.id = judged.id
            """,
            [now, list(states), list(states.values())],
        )


def _judgement(found: Sequence[Allowance], now: datetime) -> Judgement | None:
    # Ignore a main subscription with an end, because it was ended or replaced while this batch waited for the
    # lock. Replacing it also makes a new check of the card due, which judges the new plan.
    chosen = applicable(
        [allowance for allowance in found if not (allowance.is_main and allowance.ends_at)], now
    )
    if not chosen:
        return None
    balance = Balance.of(chosen)
    return Judgement(next(allowance for allowance in chosen if allowance.is_main), balance, balance.state)

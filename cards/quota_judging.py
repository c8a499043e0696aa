"""Decide for many cards whether their quotas are used up, and store the resulting states."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from cards import allowances, usage_bounds
from cards.quota import Balance, State
from cards.usage_allocation import Allowance, applicable
from cards.usage_bounds import EXACT, Bounds, Since
from common.arrays import array


@dataclass(frozen=True)
class Judgement:
    """The main subscription that a card uses, and the state of its quota.

    `balance` is the total of the main subscription and its add-ons. `state` is certain. `possible_state` is
    set if it may be worse.
    """

    main: Allowance
    balance: Balance
    state: State
    possible_state: State | None = None


def judge(cards: Sequence[int], *, now: datetime) -> Mapping[int, Judgement]:
    """Return card id -> judgement. Cards without a plan in force now are left out.

    Needs a transaction. Until the transaction ends, the subscriptions stay locked: they cannot change, and a
    batch with other cards of the same device has to wait.
    """
    candidates = allowances.in_force([(card_id, now) for card_id in cards])
    known = allowances.lock({allowance_id for ids in candidates.values() for allowance_id in ids})
    # Cards of one device have the same subscriptions. Judge each combination of subscriptions only once.
    chosen = {ids: _chosen(ids, known, now) for ids in set(map(tuple, candidates.values()))}
    bounds = usage_bounds.of_subscriptions(
        {_main_of(found).id: _since(found) for found in chosen.values() if found}
    )
    judged = {ids: _judgement(found, bounds) for ids, found in chosen.items() if found}
    by_card = ((card_id, judged.get(tuple(ids))) for card_id, ids in candidates.items())
    return {card_id: judgement for card_id, judgement in by_card if judgement}


def store(judgements: Iterable[Judgement], *, now: datetime) -> None:
    """Store changed quota states in the main subscriptions, which `judge` must have locked.

    An unchanged quota state is not written, because the `CheckState` of each card already shows that the
    check took place.
    """
    changed = [
        judgement
        for judgement in {judgement.main.id: judgement for judgement in judgements}.values()
        if (judgement.state, judgement.possible_state)
        != (judgement.main.stored_state, judgement.main.stored_possible_state)
    ]
    if not changed:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE cards_subscription AS main
            SET state = judged.state, possible_state = judged.possible_state, judged_at = %s
            FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS judged(id, state, possible_state)
            WHERE main.id = judged.id
            """,
            [
                now,
                array(judgement.main.id for judgement in changed),
                array(judgement.state for judgement in changed),
                array(judgement.possible_state for judgement in changed),
            ],
        )


def _chosen(ids: Sequence[int], known: Mapping[int, Allowance], now: datetime) -> Sequence[Allowance]:
    # Ignore a main subscription with an end, because it was ended or replaced while this batch waited for the
    # lock. Replacing it also makes a new check of the card due, which judges the new plan.
    found = [known[allowance_id] for allowance_id in ids if allowance_id in known]
    return applicable(
        [allowance for allowance in found if not (allowance.is_main and allowance.ends_at)], now
    )


def _judgement(chosen: Sequence[Allowance], bounds: Mapping[int, Bounds]) -> Judgement:
    main = _main_of(chosen)
    balance = Balance.of(chosen, bounds.get(main.id, EXACT))
    return Judgement(main, balance, balance.state, balance.possible_state)


def _main_of(chosen: Sequence[Allowance]) -> Allowance:
    return next(allowance for allowance in chosen if allowance.is_main)


def _since(chosen: Sequence[Allowance]) -> Since:
    return Since(
        min(allowance.began_at for allowance in chosen), min(allowance.began_on for allowance in chosen)
    )

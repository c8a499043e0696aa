"""Judges the subscriptions of many cards, and stores what was found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from cards import allowances
from cards.quota import Balance, State
from cards.usage_allocation import Account, in_charge


@dataclass(frozen=True)
class Judgement:
    """The main subscription that a card's usage counts on, and how its quota stands."""

    main: Account
    balance: Balance
    state: State


def judge(cards: Sequence[int], *, now: datetime) -> Mapping[int, Judgement]:
    """Card -> judgement, of the cards whose usage counts on a plan now.

    Needs a transaction: what is judged stays as it is until it ends, and the cards of a device are judged one batch after
    the other.
    """
    candidates = allowances.in_force([(card_id, now) for card_id in cards])
    known = allowances.lock({account_id for ids in candidates.values() for account_id in ids})
    # Cards of one device share their accounts: these are judged once.
    judged: dict[tuple[int, ...], Judgement | None] = {}
    for ids in set(map(tuple, candidates.values())):
        judged[ids] = _judgement([known[account_id] for account_id in ids if account_id in known], now)
    found = ((card_id, judged[tuple(ids)]) for card_id, ids in candidates.items())
    return {card_id: judgement for card_id, judgement in found if judgement}


def store(judgements: Iterable[Judgement], *, now: datetime) -> None:
    """Write the states that changed, of rows that `judge` has locked. The others rest: that they were judged again is in
    the check states.
    """
    states = {one.main.id: one.state.value for one in judgements if one.state is not one.main.judged}
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


def _judgement(found: Sequence[Account], now: datetime) -> Judgement | None:
    # A plan that was replaced while we waited for its lock: whoever did that has its successor judged.
    chosen = in_charge([account for account in found if not (account.is_main and account.ends_at)], now)
    if not chosen:
        return None
    balance = Balance.of(chosen)
    return Judgement(next(account for account in chosen if account.is_main), balance, balance.state)

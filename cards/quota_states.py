"""Judges the subscriptions of many cards, and stores what was found."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from cards import accounts
from cards.consumption import Account, in_charge
from cards.quota import Balance, State


@dataclass(frozen=True)
class Judgement:
    """The main subscription that a card's usage counts on, and how its quota stands.

    `seen` is the main one as it was read: what is written of it is written only while it is still so.
    """

    main: Account
    seen: Account
    balance: Balance
    state: State


def judge(cards: Sequence[int], *, now: datetime) -> Mapping[int, Judgement]:
    """Card -> judgement, of the cards whose usage counts on a plan now."""
    candidates = accounts.in_force([(card_id, now) for card_id in cards])
    known = accounts.read({account_id for ids in candidates.values() for account_id in ids})
    # Cards of one device share their accounts: these are judged once.
    judged: dict[tuple[int, ...], Judgement | None] = {}
    for ids in set(map(tuple, candidates.values())):
        judged[ids] = _judgement([known[account_id] for account_id in ids if account_id in known], now)
    found = ((card_id, judged[tuple(ids)]) for card_id, ids in candidates.items())
    return {card_id: judgement for card_id, judgement in found if judgement}


def store(judgements: Iterable[Judgement], *, now: datetime) -> None:
    """Write the states that changed. The others rest: that they were judged again is in the check states.

    What has changed since it was read is judged again by whom that hastened: an older judgement writes nothing.
    """
    judged = {judgement.main.id: judgement for judgement in judgements}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH changed AS MATERIALIZED (
                SELECT main.id, judged.state FROM cards_subscription AS main
                JOIN unnest(%s::bigint[], %s::text[], %s::int[], %s::numeric[])
                    AS judged(id, state, quota_version, used_mb) ON judged.id = main.id
                WHERE (main.state <> judged.state OR main.judged_at IS NULL)
                  AND main.quota_version = judged.quota_version AND main.used_mb = judged.used_mb
                ORDER BY main.id FOR NO KEY UPDATE OF main
            )
            UPDATE cards_subscription AS main SET state = changed.state, judged_at = %s
            FROM changed WHERE main.id = changed.id
            """,
            [
                list(judged),
                [judgement.state.value for judgement in judged.values()],
                [judgement.seen.quota_version for judgement in judged.values()],
                [judgement.seen.used_mb for judgement in judged.values()],
                now,
            ],
        )


def _judgement(found: Sequence[Account], now: datetime) -> Judgement | None:
    chosen = in_charge(found, now)
    if not chosen:
        return None
    balance, main = Balance.of(chosen), next(account for account in chosen if account.is_main)
    seen = next(account for account in found if account.id == main.id)
    return Judgement(main, seen, balance, balance.state)

"""Create, change, allocate, recall and delete cards in bulk, and write each change to the cards' history.

Every function takes the current time `now`, and a `cause` that names the user or process behind the change.
Every function returns the sorted ids of the cards that really changed, and on commit sends `cards_changed`
once for all of them. No function checks permissions, so pass only ids of cards that the user may change.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypedDict, Unpack

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from accounts.models import Agent
from cards import signals, subscription_usage, subscriptions
from cards.models import Card, CardEvent
from carriers.iccids import plain, sim_of
from common.errors import DomainError

Kind = CardEvent.Kind
_MAX_SHOWN_ICCIDS = 3


@dataclass(frozen=True)
class NewCard:
    """The values of a card that is to be created."""

    iccid: str
    carrier_id: int
    agent_id: int
    imsi: str | None = None
    msisdn: str | None = None
    gateway_id: int | None = None
    device_id: int | None = None
    category: Card.Category = Card.Category.NORMAL
    status: Card.Status = Card.Status.IN_STOCK
    enable_polling: bool = True


class Changes(TypedDict, total=False):
    """New values for the columns that `change` can set. Columns that are left out keep their values."""

    status: Card.Status
    category: Card.Category
    agent_id: int
    device_id: int | None
    enable_polling: bool
    carrier_id: int
    gateway_id: int | None
    imsi: str | None
    msisdn: str | None


# Each change of one of these columns is written to the history, as an event of the given kind.
_KINDS = {
    "status": Kind.STATUS,
    "category": Kind.CATEGORY,
    "agent_id": Kind.AGENT,
    "device_id": Kind.DEVICE,
    "enable_polling": Kind.POLLING,
}


def create(new: Sequence[NewCard], *, cause: str, now: datetime) -> list[int]:
    """Create all the cards, or none of them if one is invalid. Return their ids.

    ICCIDs are stored without blanks and hyphens. Raise DomainError if the SIM card that an ICCID names, in any
    spelling, exists already or occurs twice, or if a card and its gateway belong to different carriers.

    Example::

        create([NewCard(iccid, carrier.pk, agent.pk)], cause="import 7", now=now)
    """
    new = [replace(card, iccid=plain(card.iccid)) for card in new]
    with transaction.atomic():
        _check_iccids([card.iccid for card in new])
        try:
            with transaction.atomic():
                made = Card.objects.bulk_create([Card(**asdict(card)) for card in new])
        except IntegrityError as error:
            if not any(name in str(error) for name in ("card_iccid_unique", "card_sim_unique")):
                raise
            # Another transaction has used one of the ICCIDs since the check above.
            raise _iccids_taken([]) from None
        cards = [card.pk for card in made]
        _check_gateways(cards)
        _record_events(cards, Kind.CREATED, cause=cause, now=now)
        subscriptions.members_changed({card.device_id for card in made if card.device_id})
        signals.send_on_commit(cards)
    return cards


def change(cards: Collection[int], *, cause: str, now: datetime, **changes: Unpack[Changes]) -> list[int]:
    """Set columns of cards to new values.

    Raise DomainError, and change nothing, if a card and its gateway would then belong to different carriers.

    Example::

        change(card_ids, status=Card.Status.ACTIVATED, cause="import 7", now=now)
    """
    with transaction.atomic():
        changed = _change(cards, changes, cause=cause, now=now)
        signals.send_on_commit(changed)
    return changed


def allocate(cards: Collection[int], to: Agent, *, cause: str, now: datetime) -> list[int]:
    """Give cards to the agent `to`. The status of cards in stock changes to distributed."""
    with transaction.atomic():
        _lock(cards)
        return _hand_over(cards, to, {Card.Status.IN_STOCK: Card.Status.DISTRIBUTED}, cause=cause, now=now)


def recall(cards: Collection[int], to: Agent, *, cause: str, now: datetime) -> list[int]:
    """Take cards back from the agents below the agent `to`, and give them to `to`.

    Distributed cards return to stock. Raise DomainError, and recall no card, if any of the cards belongs to
    an agent outside the tree of `to`.
    """
    with transaction.atomic():
        _lock(cards)
        outside = Card.objects.present().filter(id__in=cards).exclude(agent__path__startswith=to.path)
        if count := outside.count():
            raise DomainError(
                str(
                    _("Cards that do not belong to this agent or an agent below it: %(count)d.")
                    % {"count": count}
                ),
                code="card_not_below_agent",
                status=409,
            )
        return _hand_over(cards, to, {Card.Status.DISTRIBUTED: Card.Status.IN_STOCK}, cause=cause, now=now)


def delete(cards: Collection[int], *, cause: str, now: datetime) -> list[int]:
    """Soft-delete cards: hide them, stop their checks and end their plans, but keep their history."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                """
                WITH present AS MATERIALIZED (
                    SELECT id FROM cards_card WHERE id = ANY(%s) AND deleted_at IS NULL
                    ORDER BY id FOR NO KEY UPDATE
                )
                UPDATE cards_card AS card SET deleted_at = %s FROM present WHERE card.id = present.id
                RETURNING card.id, card.device_id
                """,
                [list(cards), now],
            )
            devices = dict(cursor.fetchall())
        deleted = sorted(devices)
        _record_events(deleted, Kind.DELETED, cause=cause, now=now)
        subscriptions.end_for_cards(deleted, now=now)
        subscriptions.members_changed({device for device in devices.values() if device})
        signals.send_on_commit(deleted)
    return deleted


def _change(cards: Collection[int], changes: Changes, *, cause: str, now: datetime) -> list[int]:
    """Give cards the values in `changes`, which maps columns to values, and record the differences.

    One SQL statement locks, updates and records the cards whose values differ. Return their sorted ids.
    """
    columns = list(changes)
    if not columns:
        return []
    differs = " OR ".join(f"{column} IS DISTINCT FROM %({column})s" for column in columns)
    events = [
        f"('{kind.value}', coalesce(old.{column}::text, ''), coalesce(%({column})s::text, ''))"
        for column, kind in _KINDS.items()
        if column in columns
    ]
    # VALUES needs at least one row. This one writes no event, because its `before` equals its `after`.
    events = events or ["('', '', '')"]
    parameters: dict[str, Any] = {**changes, "cards": list(cards), "now": now, "cause": cause}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH old AS MATERIALIZED (
                SELECT id, device_id AS old_device_id, {", ".join(columns)} FROM cards_card
                WHERE id = ANY(%(cards)s) AND deleted_at IS NULL AND ({differs})
                ORDER BY id FOR NO KEY UPDATE
            ), written AS (
                UPDATE cards_card AS card SET {", ".join(f"{column} = %({column})s" for column in columns)}
                FROM old WHERE card.id = old.id
            ), recorded AS (
                INSERT INTO cards_cardevent (card_id, at, kind, before, after, cause)
                SELECT old.id, %(now)s, event.kind, event.before, event.after, %(cause)s
                FROM old CROSS JOIN LATERAL (VALUES {", ".join(events)})
                    AS event(kind, before, after)
                WHERE event.before <> event.after
            )
            SELECT id, old_device_id FROM old ORDER BY id
            """,
            parameters,
        )
        devices = dict(cursor.fetchall())
    if {"carrier_id", "gateway_id"} & changes.keys():
        _check_gateways(devices)
    if "device_id" in changes and devices:
        joined = changes["device_id"]
        subscriptions.members_changed({device for device in (*devices.values(), joined) if device})
        subscription_usage.keep_bounds({card: device for card, device in devices.items() if device})
    return list(devices)


def _lock(cards: Collection[int]) -> None:
    """Lock the cards, so that no other transaction changes them after they have been checked."""
    rows = Card.objects.present().filter(id__in=cards).order_by("id")
    list(rows.select_for_update(no_key=True).values_list("id", flat=True))


def _check_gateways(cards: Collection[int]) -> None:
    """Raise DomainError if a card's own gateway belongs to a different carrier than the card itself."""
    wrong = Card.objects.filter(id__in=cards, gateway__isnull=False).exclude(gateway__carrier=F("carrier"))
    if wrong.exists():
        raise DomainError(
            str(_("The gateway belongs to another carrier.")), code="gateway_of_other_carrier", status=409
        )


def _record_events(cards: Sequence[int], kind: CardEvent.Kind, *, cause: str, now: datetime) -> None:
    CardEvent.objects.bulk_create(CardEvent(card_id=pk, at=now, kind=kind, cause=cause) for pk in cards)


def _hand_over(
    cards: Collection[int],
    to: Agent,
    statuses: Mapping[Card.Status, Card.Status],
    *,
    cause: str,
    now: datetime,
) -> list[int]:
    changed = set(_change(cards, {"agent_id": to.pk}, cause=cause, now=now))
    for old, new in statuses.items():
        chosen = Card.objects.present().filter(id__in=cards, status=old).values_list("id", flat=True)
        changed |= set(_change(list(chosen), {"status": new}, cause=cause, now=now))
    signals.send_on_commit(sorted(changed))
    return sorted(changed)


def _check_iccids(iccids: Sequence[str]) -> None:
    """Raise DomainError if `iccids` name a SIM card twice, or one whose card is not deleted."""
    times = Counter(map(sim_of, iccids))
    repeated = [iccid for iccid in iccids if times[sim_of(iccid)] > 1]
    twins = Card.objects.present().of_sims(iccids).values_list("iccid", "pk")
    if repeated or twins:
        raise _iccids_taken([*repeated, *(f"{iccid} (card {card_id})" for iccid, card_id in twins)])


def _iccids_taken(iccids: Sequence[str]) -> DomainError:
    shown = ", ".join(iccids[:_MAX_SHOWN_ICCIDS])
    more = "" if len(iccids) <= _MAX_SHOWN_ICCIDS else f" (+{len(iccids) - _MAX_SHOWN_ICCIDS})"
    return DomainError(
        str(_("Cards with these ICCIDs already exist: %(iccids)s") % {"iccids": f"{shown}{more}"}),
        code="card_exists",
        status=409,
    )

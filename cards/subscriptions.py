"""Start, replace, top up and end the plans of cards and devices.

A plan's owner is a card or a device. Each change of an owner's quota increases the `quota_version` of the
owner's main subscription, and sends `cards_changed` for the owner's cards. To avoid deadlocks, all functions
first lock the card or device, and then the subscriptions by ascending id.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from cards import signals, subscription_usage, suspension_proposals
from cards.models import Card, Device, Plan, PlanCycle, Subscription
from cards.periods import period_of
from carriers.models import Carrier
from common.errors import DomainError

Kind = Subscription.Kind


@dataclass(frozen=True)
class Owner:
    """The card or device that has a plan, and the carrier whose billing months determine the plan's periods.

    Example::

        Owner.of_card(card)
        Owner(carrier, device=device)
    """

    carrier: Carrier
    card: Card | None = None
    device: Device | None = None

    @classmethod
    def of_card(cls, card: Card) -> "Owner":
        """Return the owner for a card, with the carrier of that card."""
        return cls(card.carrier, card=card)

    def lookup(self) -> dict[str, Card | Device | None]:
        """Return the keyword arguments that filter `Subscription` rows by this owner."""
        return {"card": self.card} if self.card else {"device": self.device}


@transaction.atomic
def start(owner: Owner, plan: Plan, *, now: datetime) -> Subscription:
    """Start a plan for an owner, end the owner's current plan, and return the new subscription.

    The subscription gets a copy of the plan's quotas and cycle, so that later changes of the plan do not
    affect it. Raise DomainError if the card is deleted.
    """
    _lock(owner)
    if owner.card and owner.card.device_id:
        subscription_usage.keep_bounds({owner.card.pk: owner.card.device_id})
    mains = Subscription.objects.filter(**owner.lookup(), kind=Kind.MAIN)
    for replaced in mains.filter(ends_at=None):
        mains.filter(pk=replaced.pk).update(ends_at=max(now, replaced.starts_at))
        suspension_proposals.cancel_for([replaced.pk], now=now)
    # Never reuse a version, because versions tell the service orders of an owner apart.
    version = mains.aggregate(last=Max("quota_version"))["last"] or 0
    started = _insert(owner, plan, Kind.MAIN, now=now, ends_at=None, version=version + 1)
    members_changed(_devices_left_or_joined([owner]))
    signals.send_on_commit(_cards_of([owner]))
    return started


@transaction.atomic
def add(
    owner: Owner, plan: Plan, *, now: datetime, ends_at: datetime | None, quota_mb: Decimal | None = None
) -> Subscription:
    """Give an owner an add-on to the owner's current plan, and return the add-on.

    The add-on has the quota of `plan`, or `quota_mb` megabytes if that is given. It does not expire if
    `ends_at` is None. Raise DomainError if the card is deleted, or if the owner has no plan. Without a plan,
    no usage would be counted on the add-on.
    """
    _lock(owner)
    if not Subscription.objects.filter(**owner.lookup(), kind=Kind.MAIN, ends_at=None).exists():
        raise DomainError(str(_("An add-on needs a plan.")), code="subscription_without_plan", status=409)
    added = _insert(owner, plan, Kind.ADD_ON, now=now, ends_at=ends_at, quota_mb=quota_mb)
    _quota_changed([owner])
    signals.send_on_commit(_cards_of([owner]))
    return added


@transaction.atomic
def end(subscriptions: Collection[int], *, now: datetime) -> list[int]:
    """End subscriptions now. Return the ids of the subscriptions that were still in force."""
    owners, ended = _end(subscriptions, now=now)
    signals.send_on_commit(_cards_of(owners))
    return ended


def end_for_cards(cards: Collection[int], *, now: datetime) -> None:
    """End the subscriptions of cards that are being deleted. The caller must send `cards_changed`."""
    present = Subscription.objects.in_force_at(now).filter(card_id__in=cards)
    _end(list(present.values_list("pk", flat=True)), now=now)


def members_changed(devices: Collection[int]) -> None:
    """Increase the quota version of these devices' plans, because cards have joined or left the devices."""
    _grow_versions(cards=(), devices=devices)


def _end(subscriptions: Collection[int], *, now: datetime) -> tuple[list[Owner], list[int]]:
    chosen = list(
        Subscription.objects.in_force_at(now)
        .filter(pk__in=subscriptions)
        .select_related("card", "device", "carrier")
        .order_by("id")
    )
    owners = {row.pk: Owner(row.carrier, row.card, row.device) for row in chosen}
    devices = _devices_left_or_joined(owners.values())
    _lock_subscriptions(owners.keys(), owners.values(), devices)
    in_force = Subscription.objects.in_force_at(now).filter(pk__in=owners)
    ended = sorted(in_force.values_list("pk", flat=True))
    in_force.update(ends_at=now)
    suspension_proposals.cancel_for(ended, now=now)
    _quota_changed([owners[row.pk] for row in chosen if row.kind == Kind.ADD_ON and row.pk in ended])
    members_changed(devices)
    return [owners[pk] for pk in ended], ended


def _lock(owner: Owner) -> None:
    """Lock the owner and its subscriptions, so that only one transaction at a time changes the quota."""
    rows: Any = Card.objects.present() if owner.card else Device.objects.all()
    owned = owner.card or owner.device
    if owned is None or not rows.filter(pk=owned.pk).select_for_update(no_key=True).first():
        raise DomainError(str(_("The card is deleted.")), code="card_not_found", status=404)
    _lock_subscriptions((), [owner], _devices_left_or_joined([owner]))


def _lock_subscriptions(ids: Collection[int], owners: Iterable[Owner], devices: Collection[int]) -> None:
    """Lock all subscriptions that will be written, in the order that metering uses, to avoid deadlocks."""
    cards = [owner.card.pk for owner in owners if owner.card]
    shared = [*devices, *(owner.device.pk for owner in owners if owner.device)]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM cards_subscription
            WHERE id = ANY(%s)
               OR (kind = 'main' AND ends_at IS NULL AND card_id = ANY(%s))
               OR (kind = 'main' AND ends_at IS NULL AND device_id = ANY(%s))
            ORDER BY id FOR NO KEY UPDATE
            """,
            [list(ids), cards, shared],
        )


def _quota_changed(owners: Collection[Owner]) -> None:
    _grow_versions(
        cards=[owner.card.pk for owner in owners if owner.card],
        devices=[owner.device.pk for owner in owners if owner.device],
    )


def _grow_versions(*, cards: Collection[int], devices: Collection[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH main AS MATERIALIZED (
                SELECT id FROM cards_subscription
                WHERE (kind = 'main' AND ends_at IS NULL AND card_id = ANY(%s))
                   OR (kind = 'main' AND ends_at IS NULL AND device_id = ANY(%s))
                ORDER BY id FOR NO KEY UPDATE
            )
            UPDATE cards_subscription AS changed SET quota_version = quota_version + 1
            FROM main WHERE changed.id = main.id
            """,
            [list(cards), list(devices)],
        )


def _devices_left_or_joined(owners: Iterable[Owner]) -> set[int]:
    """Return the ids of the devices whose plans gain or lose cards when the owners' own plans change.

    A card leaves its device's plan when the card's own plan starts, and joins the device's plan again when
    the card's own plan ends.
    """
    return {owner.card.device_id for owner in owners if owner.card and owner.card.device_id}


def _cards_of(owners: Collection[Owner]) -> list[int]:
    devices = [owner.device.pk for owner in owners if owner.device]
    members = Card.objects.present().filter(device_id__in=devices).values_list("id", flat=True)
    return sorted({*(owner.card.pk for owner in owners if owner.card), *(members if devices else ())})


def _insert(
    owner: Owner,
    plan: Plan,
    kind: Subscription.Kind,
    *,
    now: datetime,
    ends_at: datetime | None,
    version: int = 1,
    quota_mb: Decimal | None = None,
) -> Subscription:
    return Subscription.objects.create(
        **owner.lookup(),
        plan=plan,
        cycle=plan.cycle,
        carrier=owner.carrier,
        kind=kind,
        quota_mb=plan.quota_mb if quota_mb is None else quota_mb,
        virtual_quota_mb=plan.virtual_quota_mb if quota_mb is None else None,
        starts_at=now,
        ends_at=ends_at,
        period_start=period_of(
            now, cycle=PlanCycle(plan.cycle), starts_at=now, calendar=owner.carrier.calendar
        ),
        quota_version=version,
    )

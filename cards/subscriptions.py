"""Plans on cards and devices: started, replaced, topped up and ended.

Each change of what an owner may use grows its main subscription's `quota_version`, and is told as a change of the
owner's cards. Needs no transaction of the caller's.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils.translation import gettext_lazy as _

from cards import events
from cards.models import Card, Device, Plan, PlanCycle, Subscription
from cards.periods import period_of
from carriers.cycles import BillingCalendar
from carriers.models import Carrier
from common.errors import DomainError

Kind = Subscription.Kind


@dataclass(frozen=True)
class Owner:
    """Who a subscription belongs to: a card or a device; and the carrier whose billing months count."""

    carrier: Carrier
    card: Card | None = None
    device: Device | None = None

    @classmethod
    def of_card(cls, card: Card) -> "Owner":
        """A card, with its own carrier."""
        return cls(card.carrier, card=card)

    def lookup(self) -> dict[str, Card | Device | None]:
        """The fields of a subscription that say it."""
        return {"card": self.card} if self.card else {"device": self.device}

    def cards(self) -> list[int]:
        """The ids of the cards that it is about."""
        if self.card:
            return [self.card.pk]
        return list(Card.objects.present().filter(device=self.device).values_list("id", flat=True))


@transaction.atomic
def start(owner: Owner, plan: Plan, *, now: datetime) -> Subscription:
    """Put an owner on a plan, in place of the one that it has. Raises DomainError when two do so at once."""
    old = Subscription.objects.select_for_update(no_key=True).filter(
        **owner.lookup(), kind=Kind.MAIN, ends_at=None
    )
    version = 0
    for replaced in old:
        version = replaced.quota_version
        Subscription.objects.filter(pk=replaced.pk).update(ends_at=max(now, replaced.starts_at))
    try:
        with transaction.atomic():
            started = _insert(owner, plan, Kind.MAIN, now=now, ends_at=None, version=version + 1)
    except IntegrityError:
        raise DomainError(
            str(_("Somebody else has just started a plan here.")), code="subscription_exists", status=409
        ) from None
    events.tell(owner.cards())
    return started


@transaction.atomic
def add(
    owner: Owner, plan: Plan, *, now: datetime, ends_at: datetime | None, quota_mb: Decimal | None = None
) -> Subscription:
    """Give an owner more quota beside its plan: an add-on, or a top-up with a quota of its own."""
    added = _insert(owner, plan, Kind.ADD_ON, now=now, ends_at=ends_at, quota_mb=quota_mb)
    main = Subscription.objects.filter(**owner.lookup(), kind=Kind.MAIN, ends_at=None)
    main.update(quota_version=F("quota_version") + 1)
    events.tell(owner.cards())
    return added


@transaction.atomic
def end(subscription: Subscription, *, now: datetime) -> bool:
    """End a subscription now; False: it had ended already."""
    present = Subscription.objects.in_force_at(now).filter(pk=subscription.pk)
    if not present.update(ends_at=now):
        return False
    owner = Owner(subscription.carrier, subscription.card, subscription.device)
    if subscription.kind == Kind.ADD_ON:
        main = Subscription.objects.filter(**owner.lookup(), kind=Kind.MAIN, ends_at=None)
        main.update(quota_version=F("quota_version") + 1)
    events.tell(owner.cards())
    return True


def end_of_cards(cards: Collection[int], *, now: datetime) -> None:
    """End the subscriptions of cards that are deleted."""
    Subscription.objects.in_force_at(now).filter(card_id__in=cards).update(ends_at=now)


def members_changed(devices: Collection[int]) -> None:
    """Cards joined or left these devices: what they share is another quota now."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH shared AS MATERIALIZED (
                SELECT id FROM cards_subscription
                WHERE device_id = ANY(%s) AND kind = 'main' AND ends_at IS NULL
                ORDER BY id FOR NO KEY UPDATE
            )
            UPDATE cards_subscription AS changed SET quota_version = quota_version + 1
            FROM shared WHERE changed.id = shared.id
            """,
            [list(devices)],
        )


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
    calendar = BillingCalendar(owner.carrier.time_zone, owner.carrier.billing_day)
    return Subscription.objects.create(
        **owner.lookup(),
        plan=plan,
        carrier=owner.carrier,
        kind=kind,
        quota_mb=plan.quota_mb if quota_mb is None else quota_mb,
        virtual_quota_mb=plan.virtual_quota_mb if quota_mb is None else None,
        starts_at=now,
        ends_at=ends_at,
        period_start=period_of(now, cycle=PlanCycle(plan.cycle), starts_at=now, calendar=calendar),
        quota_version=version,
    )

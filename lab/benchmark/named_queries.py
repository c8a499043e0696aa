"""The named queries of the project, as somebody asks them: a page of rows, for one user."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import QuerySet

from accounts.models import Agent, ApiToken, User
from accounts.roles import Role
from cards.models import (
    Card,
    CardEvent,
    CardUsage,
    CheckState,
    CheckType,
    Device,
    Exemption,
    ServiceOrder,
    Subscription,
    UsageRecord,
)
from carriers.models import Gateway
from polling.models import ManualItem, ManualTrigger, ParkedCheck, Pause, PollingConfig

PAGE = 50
Rows = QuerySet[Any]


@dataclass(frozen=True)
class Asker:
    """Who asks, when, and about which card and tree of agents."""

    user: User
    now: datetime
    card: Card
    tree: str


Query = Callable[[Asker], Rows]


def _page(rows: Rows) -> Rows:
    return rows.order_by("-id")[:PAGE]


def _cards(**conditions: Any) -> Query:
    return lambda who: _page(Card.objects.visible_to(who.user).filter(**conditions))


def _visible(model: Any) -> Query:
    return lambda who: _page(model.objects.visible_to(who.user))


def _of_card(model: Any) -> Query:
    return lambda who: _page(model.objects.visible_to(who.user).filter(card=who.card))


# "Model.method" names the method of the model's queryset; what follows a comma is how it is used.
QUERIES: Mapping[str, Query] = {
    "Agent.visible_to": lambda who: Agent.objects.visible_to(who.user).order_by("path")[:PAGE],
    "Agent.within_tree": lambda who: Agent.objects.within_tree(who.tree).order_by("path")[:PAGE],
    "ApiToken.usable_at": lambda who: ApiToken.objects.usable_at(who.now).filter(prefix="none"),
    "Card.present": lambda who: _page(Card.objects.present()),
    "Card.visible_to": _cards(),
    "Card.within_tree": lambda who: _page(Card.objects.within_tree(who.tree)),
    "Card.known_to": lambda who: _page(Card.objects.known_to(who.user)),
    "Card.deleted": lambda who: _page(Card.objects.known_to(who.user).deleted()),
    "Card.deleted, by ICCID": lambda who: _page(
        Card.objects.known_to(who.user).deleted().filter(iccid__startswith=who.card.iccid[:-6])
    ),
    "Card.visible_to, by ICCID": lambda who: _page(
        Card.objects.visible_to(who.user).filter(iccid__startswith=who.card.iccid[:-2])
    ),
    "Card.visible_to, by MSISDN": lambda who: _page(
        Card.objects.visible_to(who.user).filter(msisdn__startswith=(who.card.msisdn or "")[:-2])
    ),
    "Card.visible_to, activated": _cards(status=Card.Status.ACTIVATED),
    "Card.visible_to, in stock": _cards(status=Card.Status.IN_STOCK),
    "Card.visible_to, industry": _cards(category="industry"),
    "Card.visible_to, unverified": _cards(real_name_status="unverified"),
    "Card.visible_to, real name not known": _cards(real_name_status="unknown"),
    "Card.visible_to, stopped": _cards(network_status="stopped"),
    "Card.visible_to, not polled": _cards(enable_polling=False),
    "Card.visible_to, of a carrier": lambda who: _page(
        Card.objects.visible_to(who.user).filter(carrier=who.card.carrier_id)
    ),
    "Card.visible_to, of a device": lambda who: _page(
        Card.objects.visible_to(who.user).filter(device=who.card.device_id)
    ),
    "CardEvent.visible_to": _visible(CardEvent),
    "CardEvent.visible_to, of a card": _of_card(CardEvent),
    "CardEvent.visible_to, of a kind": lambda who: _page(
        CardEvent.objects.visible_to(who.user).filter(kind="real_name")
    ),
    "CardUsage.visible_to": _visible(CardUsage),
    "CheckState.visible_to": _visible(CheckState),
    "CheckState.failing": lambda who: (
        CheckState.objects.visible_to(who.user).failing().order_by("failing_since", "id")[:PAGE]
    ),
    "CheckState.parked": lambda who: _page(CheckState.objects.visible_to(who.user).parked()),
    "Device.visible_to": _visible(Device),
    "Device.visible_to, by serial": lambda who: _page(
        Device.objects.visible_to(who.user).filter(serial__startswith=str(who.card.device)[:-2])
    ),
    "Exemption.visible_to": _visible(Exemption),
    "Exemption.in_force_at": lambda who: _page(Exemption.objects.visible_to(who.user).in_force_at(who.now)),
    "Gateway.open_at": lambda who: Gateway.objects.visible_to(who.user).open_at(who.now),
    "Gateway.visible_to": lambda who: Gateway.objects.visible_to(who.user),
    "ManualItem.visible_to": _visible(ManualItem),
    "ManualItem.queued": lambda who: _page(
        ManualItem.objects.visible_to(who.user).queued(CheckType.DATA_USAGE)
    ),
    "ManualTrigger.visible_to": _visible(ManualTrigger),
    "ParkedCheck.visible_to": lambda who: _page(ParkedCheck.objects.visible_to(who.user)),
    "Pause.in_force_at": lambda who: Pause.objects.in_force_at(who.now),
    "PollingConfig.in_force": lambda who: PollingConfig.objects.in_force(),
    "ServiceOrder.visible_to": _visible(ServiceOrder),
    "ServiceOrder.visible_to, of a card": _of_card(ServiceOrder),
    "ServiceOrder.open": lambda who: _page(ServiceOrder.objects.visible_to(who.user).open()),
    "Subscription.visible_to": _visible(Subscription),
    "Subscription.visible_to, over": lambda who: _page(
        Subscription.objects.visible_to(who.user).filter(state="over")
    ),
    "Subscription.in_force_at": lambda who: _page(
        Subscription.objects.visible_to(who.user).in_force_at(who.now)
    ),
    "Subscription.of_card": lambda who: Subscription.objects.of_card(who.card).in_force_at(who.now),
    "UsageRecord.visible_to": _visible(UsageRecord),
    "UsageRecord.history": lambda who: UsageRecord.objects.history(
        who.card.pk, since=who.now - timedelta(days=31)
    )[:PAGE],
}


def askers(now: datetime) -> Iterator[tuple[str, Asker]]:
    """An administrator, a small agent and a large one of the demo's. Makes users: roll them back."""
    leaf = Agent.objects.filter(card__isnull=False).order_by("-id")[0]
    root = Agent.objects.filter(parent=None).order_by("id")[0]
    for name, user, tree in (
        ("administrator", User(username="administrator", is_superuser=True), leaf.path),
        ("small agent", _user_of(leaf), leaf.path),
        ("large agent", _user_of(root), root.path),
    ):
        cards = Card.objects.visible_to(user).filter(device__isnull=False)
        yield name, Asker(user, now, cards.order_by("-id")[0], tree)


def _user_of(agent: Agent) -> User:
    user = User.objects.create(username=f"explain-{agent.pk}", agent=agent)
    user.groups.add(Group.objects.get_or_create(name=Role.AGENT.value)[0])
    return user

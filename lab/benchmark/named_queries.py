"""The project's named queries: the public methods of its querysets.

Each query is built for one user. docs/queries.md shows what the queries cost.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from textwrap import wrap
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
class QueryContext:
    """The values that queries are built from: a user, the present time, a card and the path of an agent.

    `user` is the user who sends the queries. `tree` is the path of the agent whose tree is searched.
    """

    user: User
    now: datetime
    card: Card
    tree: str


Query = Callable[[QueryContext], Rows]


def _page(rows: Rows) -> Rows:
    return rows.order_by("-id")[:PAGE]


def _cards(**conditions: Any) -> Query:
    return lambda context: _page(Card.objects.visible_to(context.user).filter(**conditions))


def _found_by(term: Callable[[str], str]) -> Query:
    return lambda context: _page(Card.objects.visible_to(context.user).found_by(term(context.card.iccid)))


def _visible(model: Any) -> Query:
    return lambda context: _page(model.objects.visible_to(context.user))


def _of_card(model: Any) -> Query:
    return lambda context: _page(model.objects.visible_to(context.user).filter(card=context.card))


# Each key is "Model.method", a method of the model's queryset. Words after a comma describe how the query
# uses the method.
QUERIES: Mapping[str, Query] = {
    "Agent.visible_to": lambda context: Agent.objects.visible_to(context.user).order_by("path")[:PAGE],
    "Agent.within_tree": lambda context: Agent.objects.within_tree(context.tree).order_by("path")[:PAGE],
    "ApiToken.usable_at": lambda context: ApiToken.objects.usable_at(context.now).filter(prefix="none"),
    "Card.present": lambda context: _page(Card.objects.present()),
    "Card.visible_to": _cards(),
    "Card.within_tree": lambda context: _page(Card.objects.within_tree(context.tree)),
    "Card.known_to": lambda context: _page(Card.objects.known_to(context.user)),
    "Card.deleted": lambda context: _page(Card.objects.known_to(context.user).deleted()),
    "Card.deleted, by ICCID": lambda context: _page(
        Card.objects.known_to(context.user).deleted().filter(iccid__startswith=context.card.iccid[:-6])
    ),
    "Card.visible_to, by ICCID": lambda context: _page(
        Card.objects.visible_to(context.user).filter(iccid__startswith=context.card.iccid[:-2])
    ),
    "Card.visible_to, by MSISDN": lambda context: _page(
        Card.objects.visible_to(context.user).filter(msisdn__startswith=(context.card.msisdn or "")[:-2])
    ),
    "Card.found_by": _found_by(lambda iccid: iccid[:-2]),
    "Card.found_by, whole": _found_by(lambda iccid: " ".join(wrap(f"{iccid}F"[:20], 4))),
    "Card.found_by, the end": _found_by(lambda iccid: iccid[-6:]),
    "Card.found_by, common": _found_by(lambda iccid: iccid[:6]),
    "Card.of_sims": lambda context: Card.objects.present().of_sims([context.card.iccid]),
    "Card.visible_to, activated": _cards(status=Card.Status.ACTIVATED),
    "Card.visible_to, in stock": _cards(status=Card.Status.IN_STOCK),
    "Card.visible_to, industry": _cards(category="industry"),
    "Card.visible_to, unverified": _cards(real_name_status="unverified"),
    "Card.visible_to, real name not known": _cards(real_name_status="unknown"),
    "Card.visible_to, stopped": _cards(network_status="stopped"),
    "Card.visible_to, not polled": _cards(enable_polling=False),
    "Card.visible_to, of a carrier": lambda context: _page(
        Card.objects.visible_to(context.user).filter(carrier=context.card.carrier_id)
    ),
    "Card.visible_to, of a device": lambda context: _page(
        Card.objects.visible_to(context.user).filter(device=context.card.device_id)
    ),
    "CardEvent.visible_to": _visible(CardEvent),
    "CardEvent.visible_to, of a card": _of_card(CardEvent),
    "CardEvent.visible_to, of a kind": lambda context: _page(
        CardEvent.objects.visible_to(context.user).filter(kind="real_name")
    ),
    "CardUsage.visible_to": _visible(CardUsage),
    "CheckState.visible_to": _visible(CheckState),
    "CheckState.failing": lambda context: (
        CheckState.objects.visible_to(context.user).failing().order_by("failing_since", "id")[:PAGE]
    ),
    "CheckState.parked": lambda context: _page(CheckState.objects.visible_to(context.user).parked()),
    "Device.visible_to": _visible(Device),
    "Device.visible_to, by serial": lambda context: _page(
        Device.objects.visible_to(context.user).filter(serial__startswith=str(context.card.device)[:-2])
    ),
    "Exemption.visible_to": _visible(Exemption),
    "Exemption.in_force_at": lambda context: _page(
        Exemption.objects.visible_to(context.user).in_force_at(context.now)
    ),
    "Gateway.open_at": lambda context: Gateway.objects.visible_to(context.user).open_at(context.now),
    "Gateway.visible_to": lambda context: Gateway.objects.visible_to(context.user),
    "ManualItem.visible_to": _visible(ManualItem),
    "ManualItem.queued": lambda context: _page(
        ManualItem.objects.visible_to(context.user).queued(CheckType.DATA_USAGE)
    ),
    "ManualTrigger.visible_to": _visible(ManualTrigger),
    "ParkedCheck.visible_to": lambda context: _page(ParkedCheck.objects.visible_to(context.user)),
    "Pause.in_force_at": lambda context: Pause.objects.in_force_at(context.now),
    "PollingConfig.in_force": lambda context: PollingConfig.objects.in_force(),
    "ServiceOrder.visible_to": _visible(ServiceOrder),
    "ServiceOrder.visible_to, of a card": _of_card(ServiceOrder),
    "ServiceOrder.open": lambda context: _page(ServiceOrder.objects.visible_to(context.user).open()),
    "Subscription.visible_to": _visible(Subscription),
    "Subscription.visible_to, over": lambda context: _page(
        Subscription.objects.visible_to(context.user).filter(state="over")
    ),
    "Subscription.in_force_at": lambda context: _page(
        Subscription.objects.visible_to(context.user).in_force_at(context.now)
    ),
    "Subscription.of_card": lambda context: Subscription.objects.of_card(context.card).in_force_at(
        context.now
    ),
    "UsageRecord.visible_to": _visible(UsageRecord),
    "UsageRecord.history": lambda context: UsageRecord.objects.history(
        context.card.pk, since=context.now - timedelta(days=31)
    )[:PAGE],
}


def query_contexts(now: datetime) -> Iterator[tuple[str, QueryContext]]:
    """Yield pairs of a name and a context, for an administrator, a small agent and a large agent.

    The users of the two agents are created in the database. The caller must roll them back.
    """
    leaf = Agent.objects.filter(card__isnull=False).order_by("-id")[0]
    root = Agent.objects.filter(parent=None).order_by("id")[0]
    for name, user, tree in (
        ("administrator", User(username="administrator", is_superuser=True), leaf.path),
        ("small agent", _user_of(leaf), leaf.path),
        ("large agent", _user_of(root), root.path),
    ):
        cards = Card.objects.visible_to(user).filter(device__isnull=False)
        yield name, QueryContext(user, now, cards.order_by("-id")[0], tree)


def _user_of(agent: Agent) -> User:
    user = User.objects.create(username=f"explain-{agent.pk}", agent=agent)
    user.groups.add(Group.objects.get_or_create(name=Role.AGENT.value)[0])
    return user

"""Factories that create rows. No conftest may import this module, because models need complete settings."""

import itertools
import json
from datetime import UTC, date, datetime
from typing import Any

import factory
from factory.django import DjangoModelFactory

from accounts.models import Agent, User
from cards.models import (
    Card,
    CardEvent,
    CheckState,
    Device,
    Exemption,
    Plan,
    PlanCycle,
    ServiceOrder,
    Subscription,
)
from carriers.models import Carrier, Counter, Gateway
from polling.models import ClassCensus, ManualItem, ManualTrigger, MinuteStat, Pause
from tests.support.gateway import SECRET

_numbers = itertools.count(1)


class AgentFactory(DjangoModelFactory[Agent]):
    class Meta:
        model = Agent

    name = factory.Sequence(lambda n: f"Agent {n}")


class UserFactory(DjangoModelFactory[User]):
    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n}")

    @factory.post_generation
    def role(self: User, create: bool, extracted: Any, **_: Any) -> None:
        if extracted:
            from django.contrib.auth.models import Group

            self.groups.add(Group.objects.get(name=extracted))


class CarrierFactory(DjangoModelFactory[Carrier]):
    class Meta:
        model = Carrier
        django_get_or_create = ("code",)

    code = "northwind"
    name = "Northwind Mobile"
    time_zone = "Asia/Shanghai"
    billing_day = 1
    counter = Counter.PER_CYCLE


class GatewayFactory(DjangoModelFactory[Gateway]):
    class Meta:
        model = Gateway

    carrier = factory.SubFactory(CarrierFactory)
    name = factory.Sequence(lambda n: f"Gateway {n}")
    adapter = "json"
    base_url = "http://127.0.0.1:1/c/northwind"
    credentials = json.dumps({"app_id": "demo", "secret": SECRET})
    is_default = True


class CardFactory(DjangoModelFactory[Card]):
    class Meta:
        model = Card

    iccid = factory.LazyFunction(lambda: f"898600{next(_numbers):014d}")
    carrier = factory.SubFactory(CarrierFactory)
    agent = factory.SubFactory(AgentFactory)
    status = Card.Status.ACTIVATED

    @classmethod
    def create_batch(cls, size: int, **fields: Any) -> list[Card]:
        """Insert all cards by one statement. They share carrier and agent, unless `fields` sets these."""
        shared = {"carrier": CarrierFactory.create, "agent": AgentFactory.create}
        missing = {name: create() for name, create in shared.items() if name not in fields}
        return Card.objects.bulk_create(cls.build_batch(size, **fields, **missing))


class DeviceFactory(DjangoModelFactory[Device]):
    class Meta:
        model = Device

    serial = factory.Sequence(lambda n: f"SN{n:06d}")
    agent = factory.SubFactory(AgentFactory)


class PlanFactory(DjangoModelFactory[Plan]):
    class Meta:
        model = Plan

    code = factory.Sequence(lambda n: f"plan-{n}")
    name = "Plan"
    quota_mb = 1000
    cycle = PlanCycle.MONTH


class SubscriptionFactory(DjangoModelFactory[Subscription]):
    class Meta:
        model = Subscription

    card = factory.SubFactory(CardFactory)
    plan = factory.SubFactory(PlanFactory)
    carrier = factory.SubFactory(CarrierFactory)
    quota_mb = factory.SelfAttribute("plan.quota_mb")
    cycle = factory.SelfAttribute("plan.cycle")
    starts_at = datetime(2026, 1, 1, tzinfo=UTC)
    period_start = date(2026, 5, 1)


class CheckStateFactory(DjangoModelFactory[CheckState]):
    class Meta:
        model = CheckState

    card = factory.SubFactory(CardFactory)
    type = "carddata"


_NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)


class CardEventFactory(DjangoModelFactory[CardEvent]):
    class Meta:
        model = CardEvent

    card = factory.SubFactory(CardFactory)
    at = _NOW
    kind = CardEvent.Kind.STATUS
    cause = "test"


class ServiceOrderFactory(DjangoModelFactory[ServiceOrder]):
    """A user's order to suspend a card."""

    class Meta:
        model = ServiceOrder

    card = factory.SubFactory(CardFactory)
    action = ServiceOrder.Action.SUSPEND
    reason = ServiceOrder.Reason.MANUAL
    requested_by = factory.SubFactory(UserFactory)
    created_at = _NOW


class ExemptionFactory(DjangoModelFactory[Exemption]):
    class Meta:
        model = Exemption

    card = factory.SubFactory(CardFactory)
    reason = "test"
    owner = factory.SubFactory(UserFactory)
    expires_at = _NOW


class PauseFactory(DjangoModelFactory[Pause]):
    class Meta:
        model = Pause

    task_type = "carddata"
    reason = "test"
    owner = factory.SubFactory(UserFactory)
    created_at = _NOW
    until = datetime(2100, 1, 1, tzinfo=UTC)


class ClassCensusFactory(DjangoModelFactory[ClassCensus]):
    class Meta:
        model = ClassCensus

    carrier = factory.SubFactory(CarrierFactory)
    category = "normal"
    status = Card.Status.ACTIVATED
    real_name_status = "verified"
    network_status = "online"
    enable_polling = True
    is_subscribed = False
    cards = 1


class ManualTriggerFactory(DjangoModelFactory[ManualTrigger]):
    class Meta:
        model = ManualTrigger

    requester = factory.SubFactory(UserFactory)
    agent = factory.LazyAttribute(lambda trigger: trigger.requester.agent)
    task_type = "carddata"
    kind = ManualTrigger.Kind.SINGLE
    created_at = _NOW


class ManualItemFactory(DjangoModelFactory[ManualItem]):
    class Meta:
        model = ManualItem

    trigger = factory.SubFactory(ManualTriggerFactory)
    card = factory.SubFactory(CardFactory)
    task_type = "carddata"


class MinuteStatFactory(DjangoModelFactory[MinuteStat]):
    class Meta:
        model = MinuteStat

    minute = _NOW
    task_type = "carddata"
    histogram: list[int] = []

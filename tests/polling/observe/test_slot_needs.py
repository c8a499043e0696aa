"""How many slots the wanted calls need, shown where limits are set."""

from datetime import timedelta

import pytest
from django.test import Client
from redis import Redis

from cards.models import CheckType
from carriers.models import Gateway
from polling.models import ClassCensus
from polling.observe import slot_needs
from polling.observe.doctor import limits as limit_findings
from polling.observe.doctor.finding import Verdict
from polling.observe.monitoring import LimitState
from polling.observe.slot_needs import SlotNeed, needs
from polling.policy import defaults
from polling.policy.demand import Demand
from polling.schedule import limits
from polling.schedule.epoch import Epoch
from polling.schedule.schedule import Counts, PlanMode, Schedule, Settlement
from tests.factories import CardFactory, GatewayFactory, UserFactory
from tests.support.scanning import run_seeder

pytestmark = pytest.mark.django_db


def load(gateway: Gateway | None, checks_per_second: float, check_type: CheckType) -> Demand:
    return Demand(check_type, gateway, cards=1000, checks_per_second=checks_per_second)


def test_needs_follow_from_calls_and_latency() -> None:
    near, far = (GatewayFactory.create(batch_size=50, is_default=False) for _ in range(2))
    loads = [
        load(near, 1000, CheckType.DATA_USAGE),
        load(far, 500, CheckType.DATA_USAGE),
        load(far, 100, CheckType.REAL_NAME),
        load(None, 800, CheckType.PACKAGE),
    ]
    seconds = {near.pk: 0.09, far.pk: 2.0}

    found = needs(loads, lambda check_type, gateway_id: seconds[gateway_id])

    # 20 calls/s of 0.09 s, and 10 calls/s of 2 s, each with a third more.
    assert found.by_type["carddata"] == SlotNeed(30.0, 30)
    assert found.by_type["realname"] == SlotNeed(2.0, 6)
    assert found.by_gateway[far.pk] == SlotNeed(12.0, 32)
    assert "package" not in found.by_type


def test_need_is_not_known_before_a_call_was_measured() -> None:
    gateway = GatewayFactory.create(batch_size=50)

    found = needs([load(gateway, 1000, CheckType.DATA_USAGE)], lambda *_: None)

    assert found.by_gateway[gateway.pk] == SlotNeed(20.0, None)


@pytest.mark.parametrize(("limit", "verdict"), [(29, Verdict.NOTE), (30, Verdict.OK), (200, Verdict.OK)])
def test_doctor_notes_a_limit_below_the_need(limit: int, verdict: Verdict) -> None:
    need = SlotNeed(22.5, 30)
    state = LimitState("carddata", limit, ())
    gateway = GatewayFactory.build(name="Northwind", max_concurrency=limit)

    of_type, of_gateway = limit_findings.slots(state, need), limit_findings.gateway_slots(gateway, need)

    assert of_type.verdict == of_gateway.verdict == verdict
    assert "22.5 calls/s need 30" in of_type.detail
    assert "22.5 calls/s need 30" in of_gateway.detail


def test_limits_page_and_gateway_page_show_the_need(client: Client, redis: Redis) -> None:
    defaults.make_missing()
    limits.publish(redis)
    gateway = GatewayFactory.create(batch_size=1)
    card = CardFactory.create(carrier=gateway.carrier)
    run_seeder(redis)
    ClassCensus.objects.update(cards=18_000)
    Epoch(redis).begin(9)
    schedule = Schedule(redis, "carddata")
    schedule.plan([(card.pk, -1.0)], mode=PlanMode.MOVE)
    (claim,) = schedule.claim(1, ttl=timedelta(seconds=60)).claims
    schedule.settle([Settlement(claim, timedelta(hours=1), Counts.SUCCESS, 600, gateway.pk)])
    client.force_login(UserFactory.create(role="administrator", is_staff=True))

    # 18,000 cards every 1,800 s are 10 calls/s of 0.6 s.
    assert slot_needs.read(redis).by_type["carddata"] == SlotNeed(10.0, 8)
    assert ">8</td>" in client.get("/admin/polling/concurrencylimit/").content.decode()
    assert "8, for " in client.get(f"/admin/carriers/gateway/{gateway.pk}/change/").content.decode()

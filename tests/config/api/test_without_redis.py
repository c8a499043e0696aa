"""When Redis accepts connections but never answers, the API still answers every request quickly."""

import time

import pytest
from pytest_django import Settings
from redis import Redis

from accounts.conf import AccountsSettings
from polling.models import ConcurrencyLimit, PollingConfig
from tests.config.api.test_access import SAFE, TABLE
from tests.factories import CardFactory, GatewayFactory
from tests.support.api_calls import Caller, code_of

MAX_SECONDS = 1.5
# These paths answer with data that only Redis has.
STATISTICS = {"polling-stats", "polling-stats/queues", "polling-stats/tasks", "polling-stats/init-progress"}


@pytest.mark.django_db
@pytest.mark.usefixtures("frozen_redis")
def test_frozen_redis_costs_no_request_more_than_its_timeout(settings: Settings) -> None:
    settings.ACCOUNTS = AccountsSettings(reads_per_minute=10_000, writes_per_minute=10_000)
    administrator = Caller.of("administrator")
    slow, wrong = [], []

    for path, method in TABLE:
        started = time.perf_counter()
        answer = administrator.send(method.lower(), path)
        if (taken := time.perf_counter() - started) > MAX_SECONDS:
            slow.append((method, path, taken))
        is_refused = answer.status_code == 503
        if path in STATISTICS and method in SAFE:
            is_right = is_refused and code_of(answer) == (503, "redis_unavailable")
        else:
            # Without a body, most writes are refused as invalid.
            is_right = answer.status_code < 500
        if not is_right or (is_refused and answer["Retry-After"] != "5"):
            wrong.append((method, path, answer.content))

    assert (slow, wrong) == ([], [])
    assert not PollingConfig.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("redis")
def test_limit_changed_without_redis_is_kept_in_its_row(
    monkeypatch: pytest.MonkeyPatch, unreachable: Redis
) -> None:
    gateway = GatewayFactory.create()
    operator = Caller.of("operator")
    for module in ("polling.schedule.limits", "carriers.limits", "polling.api.concurrency"):
        monkeypatch.setattr(f"{module}.for_web", lambda: unreachable)

    changed = operator.put("polling-concurrency/carddata", {"max_concurrency": 7})
    throttled = operator.put(f"gateways/{gateway.pk}", {"max_concurrency": 3})

    assert (changed.status_code, throttled.status_code) == (200, 200)
    assert changed.json() == {
        "task_type": "carddata", "max_concurrency": 7, "current": None, "usage_percent": None, "holders": None,
    }  # fmt: skip
    assert ConcurrencyLimit.objects.get(task_type="carddata").max_concurrency == 7


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("frozen_redis")
def test_triggers_are_made_and_cancelled_fast_without_redis() -> None:
    operator = Caller.of("operator")
    cards = [card.pk for card in CardFactory.create_batch(3)]
    started = time.perf_counter()

    made = operator.post("polling-manual-trigger/batch", {"card_ids": cards, "task_type": "carddata"})
    made_in = time.perf_counter() - started
    trigger_id = made.json()["trigger_id"]
    cancelled = operator.post("polling-manual-trigger/cancel", {"trigger_id": trigger_id})

    assert (made.status_code, made.json()["accepted"]) == (202, 3)
    assert (cancelled.status_code, cancelled.json()["cancelled"]) == (200, 3)
    assert made_in < MAX_SECONDS
    assert time.perf_counter() - started - made_in < MAX_SECONDS

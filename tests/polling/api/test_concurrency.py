import time

import pytest
from redis import Redis

from audit.models import Operation
from carriers import keys as gateway_keys
from carriers import limits as gateway_limits
from carriers.models import Gateway
from common.redis.semaphore import SlotPool
from polling.models import ConcurrencyLimit
from polling.policy.defaults import make_missing
from polling.schedule import keys, limits
from tests.factories import GatewayFactory
from tests.support.api_calls import Caller, code_of, fields_refused

TYPES = ["realname", "carddata", "package", "stop_start"]


@pytest.fixture(autouse=True)
def defaults(db: None, redis: Redis) -> None:
    make_missing()
    limits.publish(redis)


def test_limits_are_listed_with_their_slot_holders(viewer: Caller, redis: Redis) -> None:
    limits.slots_of(redis, "carddata").take(5)

    listed = viewer.get("polling-concurrency").json()

    assert [limit["task_type"] for limit in listed] == TYPES
    carddata = listed[1]
    [holder] = carddata.pop("holders")
    assert holder["seats"] == 5
    assert carddata == {"task_type": "carddata", "max_concurrency": 50, "current": 5, "usage_percent": 10.0}
    assert viewer.get("polling-concurrency/carddata").json() == {**carddata, "holders": [holder]}


@pytest.mark.django_db(transaction=True)
def test_new_limit_takes_effect_at_once(redis: Redis) -> None:
    make_missing()

    answer = Caller.of("operator").put("polling-concurrency/carddata", {"max_concurrency": 7})

    assert redis.get(keys.limit("carddata")) == "7"
    assert (answer.status_code, answer.json()["max_concurrency"]) == (200, 7)
    operation = Operation.objects.get()
    assert (operation.before, operation.after) == ({"max_concurrency": 50}, {"max_concurrency": 7})


def test_type_without_row_is_closed_until_a_limit_is_put(operator: Caller) -> None:
    ConcurrencyLimit.objects.filter(task_type="package").delete()

    assert operator.get("polling-concurrency/package").json()["max_concurrency"] == 0
    assert operator.get("polling-concurrency").json()[2]["max_concurrency"] == 0
    assert operator.put("polling-concurrency/package", {"max_concurrency": 4}).json()["max_concurrency"] == 4


def test_put_with_outdated_etag_changes_nothing(operator: Caller) -> None:
    tag = operator.get("polling-concurrency/carddata")["ETag"]

    first = operator.put("polling-concurrency/carddata", {"max_concurrency": 7}, If_Match=tag)
    second = operator.put("polling-concurrency/carddata", {"max_concurrency": 8}, If_Match=tag)

    assert (first.status_code, code_of(second)) == (200, (412, "precondition_failed"))
    assert first["ETag"] != tag
    assert ConcurrencyLimit.objects.get(task_type="carddata").max_concurrency == 7


@pytest.mark.parametrize("value", [-1, 2**31, None, "x", 1.5])
def test_invalid_limit_is_refused(operator: Caller, value: object) -> None:
    answer = operator.put("polling-concurrency/carddata", {"max_concurrency": value})

    assert list(fields_refused(answer)) == ["max_concurrency"]
    assert ConcurrencyLimit.objects.get(task_type="carddata").max_concurrency == 50


@pytest.mark.parametrize("task_type", ["nothing", "%00", "x" * 300])
def test_unknown_task_type_is_not_found(operator: Caller, task_type: str) -> None:
    assert code_of(operator.get(f"polling-concurrency/{task_type}")) == (404, "polling_concurrency_not_found")
    put = operator.put(f"polling-concurrency/{task_type}", {"max_concurrency": 1})
    assert code_of(put) == (404, "polling_concurrency_not_found")
    assert ConcurrencyLimit.objects.count() == len(TYPES)


def test_reset_drops_only_expired_slots(operator: Caller, redis: Redis) -> None:
    limits.slots_of(redis, "carddata").take(2)
    expired_at = int(time.time() * 1000) - 1000
    redis.zadd(keys.slots("carddata"), {"dead#1": expired_at, "dead#2": expired_at, "dead#3": expired_at})

    answer = operator.post("polling-concurrency/reset", {"task_type": "carddata"})

    assert answer.json() == {"task_type": "carddata", "dropped": 3}
    assert redis.zcard(keys.slots("carddata")) == 2
    assert redis.get(keys.current("carddata")) == "2"
    assert (Operation.objects.get().action, Operation.objects.get().after) == (
        "reset", {"task_type": "carddata"},
    )  # fmt: skip
    assert fields_refused(operator.post("polling-concurrency/reset")) == {"task_type": "required"}


def test_limits_can_be_read_without_redis(
    viewer: Caller, monkeypatch: pytest.MonkeyPatch, unreachable: Redis
) -> None:
    monkeypatch.setattr("polling.api.concurrency.for_web", lambda: unreachable)

    assert viewer.get("polling-concurrency/carddata").json() == {
        "task_type": "carddata", "max_concurrency": 50, "current": None, "usage_percent": None, "holders": None,
    }  # fmt: skip


@pytest.mark.parametrize("role", ["viewer", "agent", None])
def test_other_roles_change_nothing(role: str | None) -> None:
    caller = Caller.of(role)

    answers = [
        caller.put("polling-concurrency/carddata", {"max_concurrency": 1}),
        caller.post("polling-concurrency/reset", {"task_type": "carddata"}),
    ]

    assert {code_of(answer) for answer in answers} == {(403, "permission_denied")}
    assert ConcurrencyLimit.objects.get(task_type="carddata").max_concurrency == 50
    assert not Operation.objects.exists()


@pytest.mark.django_db
def test_late_publisher_writes_the_newer_limit(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    make_missing()
    gateway = GatewayFactory.create(max_concurrency=5)
    set_limit, once = SlotPool.set_limit, iter([True])

    def commit_first(pool: SlotPool, limit: int) -> None:
        if next(once, False):
            # Another process commits newer limits after this publisher has read the old ones.
            ConcurrencyLimit.objects.filter(task_type="carddata").update(max_concurrency=0)
            Gateway.objects.update(max_concurrency=1)
        set_limit(pool, limit)

    monkeypatch.setattr(SlotPool, "set_limit", commit_first)

    limits.publish(redis)
    gateway_limits.publish_one(redis, gateway)

    assert redis.get(keys.limit("carddata")) == "0"
    assert redis.get(gateway_keys.limit(gateway.pk)) == "1"

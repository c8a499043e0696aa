"""ETags survive proxies, and a client that knows a row already does not get it again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest
from redis import Redis

from carriers.breakers import Breakers, Tally
from polling.models import PollingConfig
from polling.policy.defaults import make_missing
from polling.schedule import limits
from tests.factories import ClassCensusFactory, GatewayFactory
from tests.support.api_calls import Caller, code_of

# What proxies make of an ETag when they compress an answer.
WRITTEN_BY_PROXIES = {
    "unchanged": "{}",
    "nginx": "W/{}",
    "Apache": '"{inner}-gzip"',
    "Jetty": '"{inner}--gzip"',
    "Apache, Brotli": '"{inner}-br"',
    "both": 'W/"{inner}-gzip"',
    "in a list": '"0", {} , W/"1"',
    "any": "*",
}
OTHERS = ['"0"', "W/nonsense", "", '"{inner}', '"{inner}x"', '"{inner}-gzip-and-more-and-more"']


@pytest.fixture
def config(operator: Caller) -> tuple[str, str]:
    """Return the path of a config, and its ETag."""
    answer = operator.post("polling-configs", {"name": "Night", "priority": 5})
    return f"polling-configs/{answer.json()['id']}", answer["ETag"]


def written(form: str, etag: str) -> str:
    return form.format(etag, inner=etag.strip('"'))


@pytest.mark.parametrize("form", WRITTEN_BY_PROXIES.values(), ids=WRITTEN_BY_PROXIES)
def test_etag_that_a_proxy_changed_still_matches(
    operator: Caller, config: tuple[str, str], form: str
) -> None:
    path, etag = config

    known = operator.send("get", path, None, If_None_Match=written(form, etag))
    changed = operator.patch(path, {"priority": 6}, If_Match=written(form, etag))

    assert (known.status_code, known.content, known["ETag"]) == (304, b"", etag)
    assert changed.status_code == 200


@pytest.mark.parametrize("form", OTHERS)
def test_other_etag_does_not_match(operator: Caller, config: tuple[str, str], form: str) -> None:
    path, etag = config

    known = operator.send("get", path, None, If_None_Match=written(form, etag))
    changed = operator.patch(path, {"priority": 6}, If_Match=written(form, etag))

    assert known.status_code == 200
    assert code_of(changed) == (412, "precondition_failed")
    assert PollingConfig.objects.get().priority == 5


def test_changed_row_is_sent_again(operator: Caller, config: tuple[str, str]) -> None:
    path, etag = config
    operator.patch(path, {"priority": 6})

    answer = operator.send("get", path, None, If_None_Match=etag)

    assert (answer.status_code, answer.json()["priority"]) == (200, 6)


def limit_whose_slots_get_taken(redis: Redis) -> tuple[str, Callable[[], object]]:
    make_missing()
    limits.publish(redis)
    return "polling-concurrency/carddata", lambda: limits.slots_of(redis, "carddata").take(5)


def gateway_that_gets_a_rest(redis: Redis) -> tuple[str, Callable[[], object]]:
    gateway = GatewayFactory.create()
    rest = {gateway.pk: Tally(answered=0, failed=1, hold=timedelta(days=1))}
    return f"gateways/{gateway.pk}", lambda: Breakers(redis).report(rest)


def config_that_gets_cards(redis: Redis) -> tuple[str, Callable[[], object]]:
    config = PollingConfig.objects.create(name="Night", priority=5)
    return f"polling-configs/{config.pk}", lambda: ClassCensusFactory.create(cards=7)


# Answers that contain figures which are no columns of their row.
LIVE: Final = [limit_whose_slots_get_taken, gateway_that_gets_a_rest, config_that_gets_cards]


@pytest.mark.parametrize("prepare", LIVE)
def test_answer_with_changed_live_figures_is_sent_again(
    administrator: Caller, redis: Redis, prepare: Callable[[Redis], tuple[str, Callable[[], object]]]
) -> None:
    path, change = prepare(redis)
    first = administrator.get(path)
    same = administrator.send("get", path, None, If_None_Match=first["ETag"])
    change()

    changed = administrator.send("get", path, None, If_None_Match=first["ETag"])
    stored = administrator.put(path, {}, If_Match=first["ETag"])

    assert (first.status_code, same.status_code) == (200, 304)
    assert changed.status_code == 200
    assert changed.json() != first.json()
    assert stored.status_code == 200


def test_proxies_may_neither_store_nor_change_answers(operator: Caller, config: tuple[str, str]) -> None:
    path, etag = config
    answers = [
        operator.get(path),
        operator.send("get", path, None, If_None_Match=etag),
        operator.get("polling-configs/999"),
        operator.get("nowhere"),
    ]

    assert [answer.status_code for answer in answers] == [200, 304, 404, 404]
    assert {answer["Cache-Control"] for answer in answers} == {"no-store, no-transform"}

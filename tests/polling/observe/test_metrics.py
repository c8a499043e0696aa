"""`/metrics` exports the metrics of polling for Prometheus."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import ANY

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts import tokens
from accounts.models import ApiToken
from cards.models import CheckState
from carriers.gateway_calls import GatewayCalls
from common.health import runner
from common.redis import counters, keys
from common.request_counts import RequestCounts
from polling.observe import metrics, quota_states
from polling.planning.seed import Seeder
from polling.policy.defaults import make_missing
from polling.schedule import limits
from polling.schedule.schedule import Counts, Schedule, Settlement
from tests.factories import CardFactory, GatewayFactory, SubscriptionFactory, UserFactory

pytestmark = pytest.mark.django_db
TYPE = "carddata"
DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(autouse=True)
def _stop_health_checks() -> Iterator[None]:
    yield
    runner.stop()


def scrape_text(client: Client, role: str = "viewer", **headers: str) -> str:
    user = UserFactory.create(role=role)
    token = tokens.issue(user, name="test", scope=ApiToken.Scope.READ)[1]
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}", **headers})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    return str(answer.content.decode())


def scrape(client: Client, **headers: str) -> dict[str, float]:
    lines = (line for line in scrape_text(client, **headers).splitlines() if not line.startswith("#"))
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.fixture
def fleet(redis: Redis) -> list[int]:
    make_missing()
    GatewayFactory.create(name="north", max_concurrency=7)
    cards = [card.pk for card in CardFactory.create_batch(5)]
    CheckState.objects.create(card_id=cards[0], type=TYPE, parked_at=timezone.now())
    Seeder(redis).run()
    counters.begin_again_after_restart(redis)
    return cards


def test_invariant_queue_and_claims_are_exported(client: Client, redis: Redis, fleet: list[int]) -> None:
    schedule = Schedule(redis, TYPE)
    schedule.hasten([(card_id, -1.0) for card_id in fleet])
    schedule.claim(1, ttl=timedelta(seconds=60))

    found = scrape(client)

    label = f'{{check="{TYPE}"}}'
    exported = {name: found[f"simwatch_{name}{label}"] for name in (
        "wanted_cards", "scheduled_cards", "parked_cards", "law_gap_cards", "due_cards", "claimed_cards",
        "triggered_cards", "suspect_cards", "claims_total", "lost_claims_total", "uncounted_claims_total",
    )}  # fmt: skip
    assert exported == {
        "wanted_cards": 5, "scheduled_cards": 4, "parked_cards": 1, "law_gap_cards": 0, "due_cards": 3,
        "claimed_cards": 1, "triggered_cards": 0, "suspect_cards": 0, "claims_total": 1, "lost_claims_total": 0, "uncounted_claims_total": 0,
    }  # fmt: skip
    assert found["simwatch_last_claim_age_seconds"] < 60
    assert found["simwatch_redis_up"] == 1


def test_card_missing_from_schedule_shows_as_gap(client: Client, redis: Redis, fleet: list[int]) -> None:
    redis.zrem(f"polling:queue:{TYPE}", fleet[2])

    assert scrape(client)[f'simwatch_law_gap_cards{{check="{TYPE}"}}'] == 1


def test_slots_of_types_and_gateways_are_exported(client: Client, redis: Redis, fleet: list[int]) -> None:
    limits.slots_of(redis, TYPE).take(3)

    found = scrape(client)

    assert found[f'simwatch_seats_limit{{limit="{TYPE}"}}'] == 50
    assert found[f'simwatch_seats_taken{{limit="{TYPE}"}}'] == 3
    assert found['simwatch_seats_limit{limit="gateway:north"}'] == 7
    assert found['simwatch_seats_taken{limit="gateway:north"}'] == 0


def test_results_are_counted_with_their_durations(client: Client, redis: Redis, fleet: list[int]) -> None:
    schedule = Schedule(redis, TYPE)
    schedule.hasten([(card_id, -1.0) for card_id in fleet])
    first, second, third = schedule.claim(3, ttl=timedelta(seconds=60)).claims
    hour = timedelta(hours=1)
    ended = [Settlement(first, hour, Counts.SUCCESS, 15), Settlement(second, hour, Counts.FAILED, 700)]
    schedule.settle([*ended, Settlement(third, hour)])

    found = scrape(client)

    assert found[f'simwatch_checks_total{{check="{TYPE}",outcome="success"}}'] == 1
    assert found[f'simwatch_checks_total{{check="{TYPE}",outcome="failed"}}'] == 1
    assert found[f'simwatch_uncounted_claims_total{{check="{TYPE}"}}'] == 1
    assert found[f'simwatch_check_delay_seconds_count{{check="{TYPE}"}}'] == 2
    assert 2 <= found[f'simwatch_check_delay_seconds_sum{{check="{TYPE}"}}'] < 10
    duration = f'simwatch_check_duration_seconds_bucket{{check="{TYPE}",le="%s"}}'
    assert [found[duration % le] for le in ("0.01", "0.02", "0.5", "1", "+Inf")] == [0, 1, 1, 2, 2]
    assert found[f'simwatch_check_duration_seconds_sum{{check="{TYPE}"}}'] == 0.715


def test_accept_header_of_prometheus_is_understood(client: Client, redis: Redis) -> None:
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"

    assert scrape(client, Accept=accept)["simwatch_redis_up"] == 1


def test_without_redis_only_its_absence_is_exported(
    client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Redis:
        raise RedisConnectionError

    monkeypatch.setattr(metrics, "for_web", away)

    found = scrape(client)

    others = (
        "component_healthy",
        "database_",
        "host_",
        "process_",
        "http_",
        "redis_c",
        "redis_memory",
        "active_",
    )
    other_names = {name for name in found if name.startswith(tuple(f"simwatch_{other}" for other in others))}
    assert {name: value for name, value in found.items() if name not in other_names} == {
        "simwatch_redis_up": 0,
        "simwatch_stray_usage_records": 0,
        "simwatch_usage_partitions_ahead": ANY,
    }


@pytest.mark.parametrize("role", ["agent", None])
def test_other_roles_may_not_read_metrics(client: Client, redis: Redis, role: str | None) -> None:
    token = tokens.issue(UserFactory.create(role=role), name="test", scope=ApiToken.Scope.READ)[1]

    assert client.get("/metrics").status_code == 401
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


def test_metric_names_share_one_style(client: Client, redis: Redis, fleet: list[int]) -> None:
    names = {name.partition("{")[0] for name in scrape(client)}

    assert all(re.fullmatch(r"simwatch_[a-z_]+", name) for name in names)


def test_every_metric_is_documented_by_its_full_name(client: Client, redis: Redis, fleet: list[int]) -> None:
    found = text_string_to_metric_families(scrape_text(client))
    exported = {family.name + ("_total" if family.type == "counter" else "") for family in found}
    documented = set(re.findall(r"simwatch_\w+[a-z]", (DOCS / "api.md").read_text()))

    assert {name for name in exported if not name.startswith("simwatch_process_")} <= documented


# The counters that workers keep in Redis. PostgreSQL, Redis and the host count for themselves.
COUNTER = re.compile(r"simwatch_(?!http|database|redis|host|process)\w+(_total|_bucket|_count|_sum)({|$)")


def test_counters_begin_at_0_when_redis_has_an_older_state(
    client: Client, redis: Redis, fleet: list[int]
) -> None:
    gateway = GatewayFactory.create(name="south", is_default=False)
    GatewayCalls(redis).add(gateway.pk, answered=7, failures={"no connection": 2})
    redis.hincrby("polling:repaired", f"{TYPE}:missing", 3)
    redis.hincrby("accounts:refused", "reads", 5)
    redis.hincrby(f"polling:counters:{TYPE}", "claimed", 9)
    before = {name: value for name, value in scrape(client).items() if COUNTER.match(name) and value}
    assert len(before) == 5

    # As after a restart with a snapshot: the numbers are those of another server process.
    redis.set(keys.COUNTED_ON, "another server")
    just_after = {name for name in scrape(client) if COUNTER.match(name)}
    counters.begin_again_after_restart(redis)
    begun_again = {name: value for name, value in scrape(client).items() if COUNTER.match(name)}

    assert just_after == set()
    assert set(begun_again.values()) == {0}
    assert GatewayCalls(redis).read([gateway.pk])[gateway.pk].failures == {"no connection": 2}


def test_metrics_follow_the_rules_of_prometheus(client: Client, redis: Redis, fleet: list[int]) -> None:
    answer = scrape_text(client)
    promtool = shutil.which("promtool")
    families = list(text_string_to_metric_families(answer))

    assert len(families) > 25
    for family in families:
        # Source: https://prometheus.io/docs/practices/naming.
        assert family.documentation.endswith((".", "?")), family.name
        assert not re.search(r"_(ms|minutes|hours|kb|mb|percent)(_|$)", family.name), family.name
        labels = {label for sample in family.samples for label in sample.labels}
        reserved = {"le", "quantile", "job", "instance"} - ({"le"} if family.type == "histogram" else set())
        assert not labels & reserved, family.name
    if promtool:
        done = subprocess.run(
            (promtool, "check", "metrics"), input=answer, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_requests_are_counted_by_route_for_all_processes(
    client: Client, redis: Redis, fleet: list[int]
) -> None:
    this, other = RequestCounts(), RequestCounts()
    for counts, seconds in ((this, 0.02), (other, 0.2), (other, 20.0)):
        counts.add(method="GET", route="v1:gateways-list", status=200, seconds=seconds, now=1.0)
    this.add(method="BREW", route="unmatched", status=404, seconds=0.001, now=2.0)
    for counts in (this, other):
        counts.flush()

    found = scrape(client)

    labels = 'method="GET",route="v1:gateways-list"'
    assert found[f'simwatch_http_requests_total{{{labels},status="200"}}'] == 3
    assert found['simwatch_http_requests_total{method="other",route="unmatched",status="404"}'] == 1
    buckets = [
        found[f'simwatch_http_request_duration_seconds_bucket{{le="{le}",{labels}}}']
        for le in ("0.025", "0.25", "10.0", "+Inf")
    ]
    assert buckets == [1, 2, 2, 3]
    assert found[f"simwatch_http_request_duration_seconds_sum{{{labels}}}"] == 20.22


def test_requests_are_kept_while_redis_is_away(
    client: Client, redis: Redis, fleet: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Redis:
        raise RedisConnectionError

    counts = RequestCounts()
    with monkeypatch.context() as outage:
        outage.setattr("common.request_counts.for_web", away)
        counts.add(method="GET", route="x", status=200, seconds=0.1, now=100.0)
        counts.flush()
    counts.flush()

    assert scrape(client)['simwatch_http_requests_total{method="GET",route="x",status="200"}'] == 1


def test_users_cards_and_subscriptions_are_counted(client: Client, redis: Redis, fleet: list[int]) -> None:
    SubscriptionFactory.create(state="over")
    quota_states.publish(redis)

    found = scrape(client)

    assert found["simwatch_active_users"] == 1
    assert found['simwatch_cards_by_status{status="activated"}'] == len(fleet)
    assert found['simwatch_cards_by_real_name{real_name="unknown"}'] == len(fleet)
    assert found['simwatch_subscriptions{state="over"}'] == 1
    assert found['simwatch_subscriptions{state="near"}'] == 0


def test_servers_and_host_say_how_much_they_did(client: Client, redis: Redis) -> None:
    found = scrape(client)

    assert (
        sum(value for name, value in found.items() if name.startswith("simwatch_database_connections{")) >= 1
    )
    assert found["simwatch_database_connections_limit"] == 100
    assert found['simwatch_redis_commands_total{command="time"}'] >= 1
    assert found["simwatch_redis_memory_bytes"] > 100_000
    assert found['simwatch_host_cpu_seconds_total{mode="user"}'] > 0
    assert found["simwatch_process_resident_memory_bytes"] > 10_000_000

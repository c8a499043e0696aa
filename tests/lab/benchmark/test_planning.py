"""The command `benchmark_planning` leaves the schedule in use unchanged, and removes its own schedule."""

from collections.abc import Iterator
from io import StringIO
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from redis import Redis

from polling.models import ClassCensus
from polling.planning.seed import Seeder
from polling.policy import defaults
from polling.schedule import keys
from tests.factories import CardFactory, SubscriptionFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def beside(redis: Redis) -> Iterator[Redis]:
    with Redis.from_url(urlunsplit(urlsplit(settings.REDIS_URL)._replace(path="/15"))) as client:
        yield client
        client.flushdb()


def test_planning_leaves_the_schedule_in_use_alone(redis: Redis, beside: Redis) -> None:
    defaults.make_missing()
    for card in CardFactory.create_batch(4, real_name_status="verified"):
        SubscriptionFactory.create(card=card)
    Seeder(redis).run()
    before = redis.zrange(keys.queue("carddata"), 0, -1, withscores=True)
    # Pretend that an earlier run was killed and left this card behind.
    beside.zadd(keys.queue("carddata"), {"1": 1})
    out = StringIO()

    call_command("benchmark_planning", stdout=out)

    assert "cards 4, checks of all types 12" in out.getvalue()
    assert "4 cards moved to another interval" in out.getvalue()
    assert beside.dbsize() == 0
    assert redis.zrange(keys.queue("carddata"), 0, -1, withscores=True) == before
    assert ClassCensus.objects.get().carddata_interval == 1800


def test_nothing_is_planned_without_configs(redis: Redis, beside: Redis) -> None:
    CardFactory.create()
    out = StringIO()

    call_command("benchmark_planning", stdout=out)

    assert "cards 1, checks of all types 0" in out.getvalue()


def test_database_in_use_or_missing_is_refused(redis: Redis, beside: Redis) -> None:
    CardFactory.create()
    beside.set("theirs", 1)

    with pytest.raises(CommandError, match="is in use"):
        call_command("benchmark_planning")
    with pytest.raises(CommandError, match="database 99"):
        call_command("benchmark_planning", database=99)

    assert beside.get("theirs") == b"1"


def test_error_without_cards_says_what_to_do(redis: Redis) -> None:
    with pytest.raises(CommandError, match="bin/up"):
        call_command("benchmark_planning")

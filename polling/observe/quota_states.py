"""Count the subscriptions in each quota state, for Prometheus. A scrape must not read a million rows."""

from typing import Final, cast

from django.db.models import Count
from redis import Redis

from cards.models import Subscription
from common import database
from polling.schedule import keys

# Three times as long as between two counts.
KEPT_SECONDS: Final = 900


def publish(redis: Redis) -> None:
    """Count, and write the numbers to Redis. Sample: `polling:quota-states` hash normal -> 912345, over -> 17."""
    in_force = Subscription.objects.in_force_at(database.now())
    states = dict.fromkeys(Subscription.State.values, 0)
    states |= dict(in_force.values_list("state").annotate(total=Count("pk")).order_by("state"))
    pipeline = redis.pipeline(transaction=True)
    pipeline.delete(keys.QUOTA_STATES)
    pipeline.hset(keys.QUOTA_STATES, mapping={str(state): str(total) for state, total in states.items()})
    pipeline.expire(keys.QUOTA_STATES, KEPT_SECONDS)
    pipeline.execute()


def read(redis: Redis) -> dict[str, int]:
    """Return the state -> the number of subscriptions in force; empty if they were not counted lately."""
    found = cast("dict[str, str]", redis.hgetall(keys.QUOTA_STATES))
    return {state: int(total) for state, total in found.items()}

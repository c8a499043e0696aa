"""The Prometheus metrics of refused requests and of active users."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from accounts import active_users, rate_limits
from common.redis import counters
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis


class AccountsCollector(Collector):
    """A collector that reads from Redis at each scrape. Without Redis it yields nothing."""

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield how many requests each limit has refused. The log event `rate_limited` says whose they were."""
        refused: dict[str, int] = {}
        with degraded_without_redis("the metric of refused requests is left out"):
            refused = rate_limits.refused() if counters.are_current(for_web()) else {}
        family = CounterMetricFamily(
            "simwatch_rate_limited_requests", "Requests that a rate limit has refused.", labels=["limit"]
        )
        for policy, requests in sorted(refused.items()):
            family.add_metric([policy], requests)
        yield family
        with degraded_without_redis("the metric of active users is left out"):
            yield GaugeMetricFamily(
                "simwatch_active_users",
                "Users who have sent a request in the last five minutes.",
                value=active_users.count(),
            )

"""Count HTTP requests by route, for Prometheus. All web processes add to the same numbers in Redis."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from typing import Final, cast

from django.http import HttpRequest, HttpResponse
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from common.redis import counters, keys
from common.redis.client import for_web
from common.redis.degraded import degraded_without_redis

BOUNDS_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
FLUSH_SECONDS: Final = 5.0


class RequestCounts:
    """The requests of this process that Redis does not know of yet. Several threads may use one instance.

    They are written every five seconds, by the request that ends then. While Redis is away they are kept; their
    number is bounded, because only known routes have a name of their own. Sample::

        common:requests    hash    count|GET|v1:gateways-list|200 -> 17, bucket|GET|v1:gateways-list|2 -> 15,
                                   microseconds|GET|v1:gateways-list -> 51234
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._flushed_at = 0.0

    def add(self, *, method: str, route: str, status: int, seconds: float, now: float) -> None:
        """Count a request that has ended. `now` is in monotonic seconds."""
        method = method if method in METHODS else "other"
        bucket = sum(seconds > bound for bound in BOUNDS_SECONDS)
        with self._lock:
            self._counts[f"count|{method}|{route}|{status}"] += 1
            self._counts[f"bucket|{method}|{route}|{bucket}"] += 1
            self._counts[f"microseconds|{method}|{route}"] += round(seconds * 1e6)
            is_time = now - self._flushed_at >= FLUSH_SECONDS
            self._flushed_at = now if is_time else self._flushed_at
        if is_time:
            self.flush()

    def flush(self) -> None:
        """Write the counts to Redis. If Redis does not answer, keep them for the next time."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        with degraded_without_redis("requests are counted later") as degraded:
            pipeline = for_web().pipeline(transaction=True)
            for name, count in counts.items():
                pipeline.hincrby(keys.REQUESTS, name, count)
            pipeline.execute()
        if degraded.is_on:
            with self._lock:
                self._counts.update(counts)


_OF_THIS_PROCESS: Final = RequestCounts()


class RequestCountsMiddleware:
    """Middleware that counts each request, and how long it took."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        response = self._get_response(request)
        ended = time.monotonic()
        route = request.resolver_match.view_name if request.resolver_match else "unmatched"
        _OF_THIS_PROCESS.add(
            method=str(request.method),
            route=route,
            status=response.status_code,
            seconds=ended - started,
            now=ended,
        )
        return response


class RequestsCollector(Collector):
    """A collector that reads the requests of all web processes. Without Redis it yields nothing."""

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the number of requests by method, route and status, and their duration by method and route."""
        requests = CounterMetricFamily(
            "simwatch_http_requests", "HTTP requests that have ended.", labels=["method", "route", "status"]
        )
        durations = HistogramMetricFamily(
            "simwatch_http_request_duration_seconds", "Duration of HTTP requests.", labels=["method", "route"]
        )
        _OF_THIS_PROCESS.flush()
        found: dict[str, str] = {}
        with degraded_without_redis("the metrics of requests are left out"):
            if counters.are_current(for_web()):
                found = cast("dict[str, str]", for_web().hgetall(keys.REQUESTS))
        for name, value in sorted(found.items()):
            kind, *labels = name.split("|")
            if kind == "count":
                requests.add_metric(labels, int(value))
            elif kind == "microseconds":
                durations.add_metric(labels, _buckets(found, labels), int(value) / 1e6)
        yield from (requests, durations)


def _buckets(found: dict[str, str], labels: list[str]) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for number, bound in enumerate([*map(str, BOUNDS_SECONDS), "+Inf"]):
        total += int(found.get("|".join(["bucket", *labels, str(number)]), 0))
        buckets.append((bound, float(total)))
    return buckets

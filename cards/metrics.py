"""Prometheus metrics that show whether the partitions of the usage history are created in time."""

from collections.abc import Iterable, Iterator

from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cards import usage_partitions


class UsagePartitionsCollector(Collector):
    """A collector that queries PostgreSQL on each scrape."""

    def describe(self) -> Iterable[Metric]:
        # Return nothing. Otherwise registering the collector would call `collect`, which queries PostgreSQL.
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield two gauges. Alert if there are stray records, or partitions for fewer than 2 days."""
        yield GaugeMetricFamily(
            "simwatch_stray_usage_records",
            "Usage records in the DEFAULT partition. Counting stops at 10,001.",
            value=usage_partitions.stray_rows(),
        )
        yield GaugeMetricFamily(
            "simwatch_usage_partition_days",
            "Consecutive days, from today on, that have a partition.",
            value=usage_partitions.days_ahead(timezone.now().date()),
        )

"""Prometheus metrics of the usage history: whether its partitions are made ahead of need."""

from collections.abc import Iterable, Iterator

from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cards import usage_partitions


class UsagePartitionsCollector(Collector):
    """Queries PostgreSQL on each scrape."""

    def describe(self) -> Iterable[Metric]:
        # Empty: registering the collector must not query PostgreSQL.
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield two gauges. Alert if the first is above 0, or the second below 2."""
        yield GaugeMetricFamily(
            "simwatch_stray_usage_records",
            "Usage records in the DEFAULT partition, counted up to 10,001.",
            value=usage_partitions.stray_rows(),
        )
        yield GaugeMetricFamily(
            "simwatch_usage_partition_days",
            "Days, from today on, that have a partition.",
            value=usage_partitions.days_ahead(timezone.now().date()),
        )

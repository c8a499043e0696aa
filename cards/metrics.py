"""What the history of usage tells Prometheus: whether its partitions are made ahead."""

from collections.abc import Iterable, Iterator

from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cards import usage_partitions


class UsagePartitionsCollector(Collector):
    """Asks PostgreSQL's catalogue when it is asked."""

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not ask PostgreSQL."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Alarm when the first is above 0, or the second below 2."""
        yield GaugeMetricFamily(
            "simwatch_stray_usage_records",
            "Usage records without a partition of their own, counted to 10,001.",
            value=usage_partitions.stray_rows(),
        )
        yield GaugeMetricFamily(
            "simwatch_usage_partition_days",
            "Days from today on that have a partition.",
            value=usage_partitions.days_ahead(timezone.now().date()),
        )

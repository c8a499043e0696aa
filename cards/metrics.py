"""Prometheus metrics of the usage history's partitions, of uncertain meters and of wrong counters."""

from collections.abc import Iterable, Iterator

from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cards import usage_partitions
from cards.models import CounterFinding, CounterSurvey


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
            "simwatch_usage_partitions_ahead",
            "Consecutive days, from today on, that have a partition.",
            value=usage_partitions.days_ahead(timezone.now().date()),
        )


class CountersCollector(Collector):
    """A collector that reads the latest surveys of counters, and what is wrong with them."""

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the number of uncertain cards by carrier and reason, and a 1 for each finding."""
        uncertain = GaugeMetricFamily(
            "simwatch_uncertain_cards",
            "Cards whose usage in the current cycle is uncertain, at the latest survey.",
            labels=["carrier", "reason"],
        )
        for survey in CounterSurvey.objects.select_related("carrier"):
            for reason, cards in survey.uncertain.items():
                uncertain.add_metric([survey.carrier.code, reason], cards)
        findings = GaugeMetricFamily(
            "simwatch_counter_findings",
            "1 for each thing that is wrong with the counters of a carrier.",
            labels=["carrier", "gateway", "kind"],
        )
        for finding in CounterFinding.objects.select_related("carrier", "gateway"):
            gateway = finding.gateway.name if finding.gateway else ""
            findings.add_metric([finding.carrier.code, gateway, finding.kind], 1)
        yield from (uncertain, findings)

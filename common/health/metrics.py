"""The health of each component as a metric for Prometheus."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from common.health.components import Level, components
from common.health.runner import examine

SCRAPE_MILLISECONDS: Final = 250


class HealthCollector(Collector):
    """A collector that runs all health checks at each scrape."""

    def describe(self) -> Iterable[Metric]:
        """Return no metrics, because describing them would run the health checks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "simwatch_component_healthy",
            "Whether a component of /healthz is healthy. It is 0 if it is degraded or unhealthy.",
            labels=["component"],
        )
        for name, finding in examine(components(), milliseconds=SCRAPE_MILLISECONDS).items():
            family.add_metric([name], int(finding.level is Level.HEALTHY))
        yield family

"""Prometheus metrics. Each scrape reads them from data that all processes share, such as Redis.

A counter in the memory of one process would miss what the other processes count. So apps register collectors
that read the shared data.
"""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

# Don't use the default registry, because it also exports metrics of the web process that answers the scrape.
_REGISTRY = CollectorRegistry(auto_describe=False)


def register(collector: Collector) -> None:
    """Add a collector. It runs at each scrape. Call this function from `AppConfig.ready`."""
    _REGISTRY.register(collector)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(_REGISTRY)

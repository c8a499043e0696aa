"""Prometheus metrics, read from their source at each scrape.

Counters in a process are wrong as soon as there are two processes, so apps register collectors that read
Redis.
"""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

# Not the default registry: that one also exports metrics of whichever web process answers the scrape.
_REGISTRY = CollectorRegistry(auto_describe=False)


def register(collector: Collector) -> None:
    """Add a collector. Call it from `AppConfig.ready`; the collector runs at each scrape and not before."""
    _REGISTRY.register(collector)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(_REGISTRY)

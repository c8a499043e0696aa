"""Prometheus metrics, which are read from their source at each scrape.

A counter in a process's memory misses what other processes count, so apps register collectors that read
shared data, such as Redis, instead.
"""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

# Don't use the default registry, because it also exports metrics about whichever web process answers.
_REGISTRY = CollectorRegistry(auto_describe=False)


def register(collector: Collector) -> None:
    """Add a collector, which then runs at each scrape. Call this from `AppConfig.ready`."""
    _REGISTRY.register(collector)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(_REGISTRY)

"""Prometheus metrics, read where the truth is when somebody asks.

Counters that live in a process are wrong as soon as there are two, so an app registers a collector that reads Redis.
"""

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

# Of our own: the default one also tells about this one web process, which is nobody's question.
_REGISTRY = CollectorRegistry(auto_describe=False)


def register(collector: Collector) -> None:
    """Add a collector; called from `AppConfig.ready`. It is asked at each scrape, never before."""
    _REGISTRY.register(collector)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    return generate_latest(_REGISTRY)

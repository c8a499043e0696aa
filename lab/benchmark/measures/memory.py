"""Measures the memory of the largest process that checks cards."""

from lab.benchmark.process_stats import children_of, resident_mb
from lab.benchmark.run import Run


def measure(run: Run) -> None:
    """Read the memory after the speed measures, when the processes have done most of their work."""
    run.engine_on()
    processes = children_of(run.stack.pid("worker-checks"))
    run.findings.record(
        "worker_rss_mb", max(map(resident_mb, processes), default=None), otherwise="no process was running"
    )

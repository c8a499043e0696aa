"""The memory of the largest of the processes that check cards."""

from lab.benchmark.process_stats import children_of, resident_mb
from lab.benchmark.run import Run


def measure(run: Run) -> None:
    """Read it at the end of what the processes have done in this run."""
    run.engine_on()
    processes = children_of(run.stack.pid("worker-checks"))
    run.findings.record(
        "worker_rss_mb", max(map(resident_mb, processes), default=None), otherwise="there is no process"
    )

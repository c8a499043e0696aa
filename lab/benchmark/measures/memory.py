"""What the largest of the processes that check cards takes of memory."""

from lab.benchmark.proc import children_of, resident_mb
from lab.benchmark.run import Run


def measure(run: Run) -> None:
    """At the end of what it has done in this run."""
    run.engine_on()
    processes = children_of(run.stack.pid("worker-checks"))
    run.findings.found(
        "worker_rss_mb", max(map(resident_mb, processes), default=None), otherwise="there is no process"
    )

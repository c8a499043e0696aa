"""How long `init_polling` takes."""

from lab.benchmark.extent import MILLION
from lab.benchmark.run import Run
from polling.models import TaskType

KEY = "seed_million_seconds"


def measure(run: Run) -> None:
    """Plan the fleet, all check types, with a command as an operator does: the start of Python counts."""
    seconds = run.plan()
    run.allow(TaskType.DATA_USAGE)
    if run.extent.cards >= MILLION:
        run.findings.found(KEY, seconds, otherwise="")
    else:
        run.findings.leave_out(KEY, f"the fleet has {run.extent.cards:,} cards; they took {seconds:.1f} s")

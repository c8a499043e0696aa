"""Measures how long `init_polling` takes to plan the fleet."""

from cards.models import CheckType
from lab.benchmark.extent import MILLION
from lab.benchmark.run import Run

KEY = "seed_million_seconds"


def measure(run: Run) -> None:
    """Measure the command as an operator runs it, including the start of Python."""
    seconds = run.plan()
    run.allow(CheckType.DATA_USAGE)
    if run.extent.cards >= MILLION:
        run.findings.record(KEY, seconds)
    else:
        run.findings.leave_out(
            KEY, f"the fleet has only {run.extent.cards:,} cards; planning them took {seconds:.1f} s"
        )

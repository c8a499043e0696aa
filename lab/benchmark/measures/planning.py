"""How long `init_polling` takes."""

from cards.models import CheckType
from lab.benchmark.extent import MILLION
from lab.benchmark.run import Run

KEY = "seed_million_seconds"


def measure(run: Run) -> None:
    """Plan the fleet for all check types by the command that an operator runs; the start of Python counts."""
    seconds = run.plan()
    run.allow(CheckType.DATA_USAGE)
    if run.extent.cards >= MILLION:
        run.findings.record(KEY, seconds)
    else:
        run.findings.leave_out(KEY, f"the fleet has {run.extent.cards:,} cards; they took {seconds:.1f} s")

"""Measures how many cards per second the `package` check compares with their plans.

This check calls no gateway.
"""

from cards.models import CheckType
from lab.benchmark.run import Run
from lab.benchmark.supply import LOW_WATER, DueCards, keep_busy


def measure(run: Run) -> None:
    """Keep cards due while no other check runs, and calculate the rate from the rows' `checked_at`."""
    run.engine_on()
    run.pause_lateness()
    supply = DueCards(run, CheckType.PACKAGE)
    supply.stock(LOW_WATER)
    run.allow(CheckType.PACKAGE)
    shift = keep_busy(run, supply, run.extent.package_seconds)
    run.allow()
    rate = shift.rate(supply.recorded())
    run.findings.record(
        "package_checks_per_second", rate, otherwise=shift.shortage or "too few cards were checked"
    )

"""How many cards a second are held against their plan: the check that asks nobody."""

from cards.models import CheckType
from lab.benchmark.rates import steady_rate
from lab.benchmark.run import Run
from polling.models import TaskType


def measure(run: Run) -> None:
    """All of them are due, and no other check runs. By the rows."""
    run.engine_on()
    run.let_lateness_rest()
    begun = run.now()
    run.allow(TaskType.PACKAGE)
    run.wait(run.extent.package_seconds)
    run.allow()
    rate = steady_rate(run.recorded(CheckType.PACKAGE, begun))
    run.findings.found("package_checks_per_second", rate, otherwise="the cards were checked at once")

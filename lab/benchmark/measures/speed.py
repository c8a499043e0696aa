"""How many cards' usage the engine asks and records a second when all are due, and how soon it begins."""

from datetime import datetime

from cards.models import CheckType
from lab.benchmark.rates import Window, per_thousand, smaller, steady_rate
from lab.benchmark.run import Run, asked

FIRST_SECONDS = 30
TOO_FEW = "the cards were read before there was a steady state"


def measure(run: Run) -> None:
    """The engine is started by this. What counts is what both the gateways' log and the rows show."""
    run.new_calls()
    begun = run.now()
    run.engine_on()
    before, counted_from = run.cpu(), run.now()
    run.wait(run.extent.speed_seconds)
    after, counted = run.cpu(), Window(counted_from, run.now())
    run.allow()
    calls, rows = run.new_calls(), run.recorded(CheckType.DATA_USAGE, begun)
    rate = smaller(steady_rate(asked(calls)), steady_rate(rows))
    run.findings.found("checks_per_second", rate, otherwise=TOO_FEW)
    baseline = run.findings.baseline_checks_per_second
    ratio = rate / baseline if rate and baseline else None
    run.findings.found("baseline_ratio", ratio, otherwise=TOO_FEW)
    run.findings.cpu_seconds_per_1000 = per_thousand(before, after, max(1, counted.amount(rows)))
    ready = run.workers_ready_at()
    if calls and ready:
        first = min(datetime.fromisoformat(call["start"]) for call in calls)
        run.findings.found("first_check_seconds", max(0.0, (first - ready).total_seconds()), otherwise="")

"""Measures how many cards per second the engine checks, and how soon its workers make the first call."""

from datetime import datetime

from cards.models import CheckType
from lab.benchmark.rates import per_thousand, smaller
from lab.benchmark.run import Run, usage_answers
from lab.benchmark.supply import LOW_WATER, DueCards, keep_busy

TOO_FEW = "too few cards were checked to calculate a rate"


def measure(run: Run) -> None:
    """Start the engine, and measure its rate both by the gateways' log and by PostgreSQL's rows.

    The smaller of the two rates counts.
    """
    run.new_calls()
    supply = DueCards(run, CheckType.DATA_USAGE)
    supply.stock(LOW_WATER)
    run.engine_on()
    before = run.cpu()
    shift = keep_busy(run, supply, run.extent.speed_seconds)
    after = run.cpu()
    run.allow()
    calls, rows = run.new_calls(), supply.recorded()
    rate = smaller(shift.rate(usage_answers(calls)), shift.rate(rows))
    otherwise = shift.shortage or TOO_FEW
    run.findings.record("checks_per_second", rate, otherwise=otherwise)
    baseline = run.findings.baseline_checks_per_second
    run.findings.record(
        "baseline_ratio",
        rate / baseline if rate and baseline else None,
        otherwise=run.findings.baseline_shortage if rate else otherwise,
    )
    run.findings.cpu_seconds_per_1000 = per_thousand(before, after, shift.window.amount(rows))
    ready = run.workers_ready_at()
    first = min((datetime.fromisoformat(call["start"]) for call in calls), default=None)
    run.findings.record(
        "first_check_seconds",
        max(0.0, (first - ready).total_seconds()) if first and ready else None,
        otherwise="the gateways received no call",
    )

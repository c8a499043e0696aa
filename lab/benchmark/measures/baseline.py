"""How many cards' usage a task a card reads a second, on the same fleet; see `lab.benchmark.baseline.app`."""

from redis import Redis

from cards.models import CheckType
from lab.benchmark.baseline.app import QUEUE
from lab.benchmark.rates import Window, per_thousand, smaller, steady_rate
from lab.benchmark.run import Run, asked

NAME = "baseline"
# About what it can read in that time; whether some are left is told.
MESSAGES_PER_SECOND = 700
APP = "lab.benchmark.baseline.app"
START_SECONDS = 30
# Connections are made, and what is read once is read.
WARM_UP_SECONDS = 2


def measure(run: Run) -> None:
    """The engine has not been started yet, so the machine is this one's alone."""
    run.new_calls()
    seconds = run.extent.baseline_seconds
    sent = int(run.stack.run("-m", "lab.benchmark.baseline.feeding", str(int(MESSAGES_PER_SECOND * seconds))))
    begun = run.now()
    with Redis.from_url(run.stack.variables["CELERY_BROKER_URL"]) as broker:
        run.stack.start(
            NAME, "-m", "celery", f"--app={APP}", "--quiet", "--skip-checks", "worker", f"--queues={QUEUE}",
            "--without-mingle", "--without-gossip", "--without-heartbeat", "--loglevel=WARNING",
        )  # fmt: skip
        run.stack.wait_until(
            lambda: broker.llen(QUEUE) < sent, seconds=START_SECONDS, what="the baseline works"
        )
        run.wait(WARM_UP_SECONDS)
        before, counted_from = run.cpu(NAME), run.now()
        run.wait(seconds)
        after, counted = run.cpu(NAME), Window(counted_from, run.now())
        left = broker.llen(QUEUE)
        run.stack.stop(NAME)
        broker.delete(QUEUE)
    calls, rows = run.new_calls(), run.recorded(CheckType.DATA_USAGE, begun)
    rate = smaller(steady_rate(asked(calls)), steady_rate(rows))
    run.findings.baseline_checks_per_second = rate
    run.findings.details["baseline"] = {
        "checks_per_second": rate,
        "cpu_seconds_per_1000": per_thousand(before, after, max(1, counted.amount(rows))),
        "messages_left": left,
    }

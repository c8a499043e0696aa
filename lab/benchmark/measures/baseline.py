"""Measures how many cards per second the baseline (`lab.benchmark.baseline`) checks in the engine's fleet."""

from dataclasses import dataclass

from redis import Redis

from cards.models import CheckType
from lab.benchmark.baseline.app import QUEUE
from lab.benchmark.rates import per_thousand, smaller
from lab.benchmark.run import Run, usage_answers
from lab.benchmark.supply import keep_busy

NAME = "baseline"
# Messages to send per second of measurement: more than twice what the baseline processes on two cores, so
# that messages do not run out. The report shows how many were left.
MESSAGES_PER_SECOND = 700
APP = "lab.benchmark.baseline.app"
START_SECONDS = 30
# During the warm-up, each process opens its connections and reads carriers and gateways.
WARM_UP_SECONDS = 2


@dataclass
class Messages:
    """The baseline's supply of work: the messages in the broker.

    All messages are sent before the measurement, so `top_up` sends none and only returns how many are left.
    """

    broker: Redis
    floor: int = 1

    def top_up(self) -> int:
        return int(self.broker.llen(QUEUE))


def measure(run: Run) -> None:
    """Measure the baseline. The engine must be off, because it would take CPU time from the baseline."""
    run.new_calls()
    seconds = run.extent.baseline_seconds
    count = int(MESSAGES_PER_SECOND * (WARM_UP_SECONDS + seconds))
    sent = int(run.stack.run("-m", "lab.benchmark.baseline.feeding", str(count)))
    begun = run.now()
    with Redis.from_url(run.stack.variables["CELERY_BROKER_URL"]) as broker:
        run.stack.start(
            NAME, "-m", "celery", f"--app={APP}", "--quiet", "--skip-checks", "worker", f"--queues={QUEUE}",
            "--without-mingle", "--without-gossip", "--without-heartbeat", "--loglevel=WARNING",
        )  # fmt: skip
        run.stack.wait_until(
            lambda: broker.llen(QUEUE) < sent, seconds=START_SECONDS, what="the baseline has taken a message"
        )
        run.wait(WARM_UP_SECONDS)
        before = run.cpu(NAME)
        shift = keep_busy(run, Messages(broker), seconds)
        after = run.cpu(NAME)
        left = broker.llen(QUEUE)
        run.stack.stop(NAME)
        broker.delete(QUEUE)
    calls, rows = run.new_calls(), run.recorded(CheckType.DATA_USAGE, begun)
    rate = smaller(shift.rate(usage_answers(calls)), shift.rate(rows))
    run.findings.baseline_checks_per_second = rate
    run.findings.baseline_shortage = f"the baseline: {shift.shortage or 'too few cards were checked'}"
    run.findings.details["baseline"] = {
        "checks_per_second": rate,
        "cpu_seconds_per_1000": per_thousand(before, after, shift.window.amount(rows)),
        "messages_left": left,
    }

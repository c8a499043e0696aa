"""How long somebody waits for a check that he has asked for, while a hundred thousand cards are due."""

from lab.benchmark.extent import BACKLOG
from lab.benchmark.rates import percentile
from lab.benchmark.run import Run
from polling.models import TaskType
from polling.schedule import keys

KEY = "manual_p99_seconds"
LATENCY_MS = 200
EVERY_SECONDS = 0.2
WARM_UP_SECONDS = 5
LAST_SECONDS = 10
# One that has not ended has waited until now.
WAITS = """
    SELECT extract(epoch FROM coalesce(ended_at, now()) - created_at)::float, done
    FROM polling_manualtrigger
"""


def measure(run: Run) -> None:
    """One card after the other is triggered; the trigger's row says when its check was recorded."""
    if not run.extent.triggers:
        run.findings.leave_out(KEY, "a backlog of 100,000 cards takes longer to make")
        return
    with run.latency(LATENCY_MS):
        run.allow(TaskType.DATA_USAGE)
        run.engine_on()
        run.wait(WARM_UP_SECONDS)
        run.stack.run(
            "-m", "lab.benchmark.asking", str(run.extent.triggers), str(EVERY_SECONDS), str(run.seed)
        )
        run.wait(LAST_SECONDS)
    backlog = _due(run)
    run.allow()
    if backlog < BACKLOG:
        run.findings.leave_out(KEY, f"only {backlog:,} cards were due at the end")
        return
    rows = run.stack.rows(WAITS)
    waits = [seconds for seconds, _ in rows]
    run.findings.details["manual"] = {
        "without_result": sum(not done for _, done in rows),
        "triggers": len(waits),
        "p50_seconds": percentile(waits, 0.5),
        "most_seconds": max(waits),
        "backlog_at_the_end": backlog,
    }
    run.findings.found(KEY, percentile(waits, 0.99), otherwise="")


def _due(run: Run) -> int:
    seconds, _ = run.stack.redis.time()
    return int(run.stack.redis.zcount(keys.queue(TaskType.DATA_USAGE), "-inf", seconds))

"""Measures how long manual triggers take from creation to result while at least 100,000 cards are due."""

from cards.models import CheckType
from lab.benchmark.extent import BACKLOG
from lab.benchmark.rates import percentile
from lab.benchmark.run import Run
from lab.benchmark.supply import DueCards, keep_busy
from lab.benchmark.triggering import POOL

KEY = "manual_p99_seconds"
LATENCY_MS = 200
EVERY_SECONDS = 0.2
WARM_UP_SECONDS = 5
LAST_SECONDS = 10
LONGEST_SECONDS = 300
# This many cards are made due before the engine may check any. With calls of 200 ms, the engine checks at
# most 12,500 cards per second. So more than BACKLOG cards are still due when the first card is triggered.
STOCK = 3 * BACKLOG
LOW_WATER = BACKLOG + BACKLOG // 2
# The triggered cards are among the last POOL cards of the queue, so the supply must not make these cards due.
RESERVED = 2 * POOL
# Selects the seconds that each trigger took, and how many of its cards are done. If a trigger has not ended,
# the seconds from its creation until now are selected.
WAITS = """
    SELECT extract(epoch FROM coalesce(ended_at, now()) - created_at)::float, done
    FROM polling_manualtrigger
"""


def measure(run: Run) -> None:
    """Trigger one card after the other, and read from the triggers' rows how long each trigger took.

    The figure is left out if the number of due cards ever fell below 100,000.
    """
    if not run.extent.triggers:
        run.findings.leave_out(KEY, "making a backlog of 100,000 cards takes too long")
        return
    supply = DueCards(
        run,
        CheckType.DATA_USAGE,
        floor=BACKLOG,
        low_water=LOW_WATER,
        reserved=RESERVED,
        is_unread=False,
    )
    supply.stock(STOCK)
    with run.latency(LATENCY_MS):
        run.allow(CheckType.DATA_USAGE)
        run.engine_on()
        run.wait(WARM_UP_SECONDS)
        shortage = _trigger(run, supply)
    backlog = supply.left()
    run.allow()
    if shortage:
        run.findings.leave_out(KEY, shortage)
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
    run.findings.record(KEY, percentile(waits, 0.99))


def _trigger(run: Run, supply: DueCards) -> str:
    """Trigger the cards, then wait LAST_SECONDS for the last results.

    Return the reason why the figure must be left out, or an empty string if the figure is valid.
    """
    arguments = (str(run.extent.triggers), str(EVERY_SECONDS), str(run.seed))
    with run.stack.running("triggering", "-m", "lab.benchmark.triggering", *arguments) as process:
        shift = keep_busy(run, supply, LONGEST_SECONDS, is_over=lambda: process.poll() is not None)
        is_done = process.poll() is not None
    if not is_done and not shift.ran_out:
        return f"triggering took longer than {LONGEST_SECONDS} s"
    if shift.ran_out or keep_busy(run, supply, LAST_SECONDS).ran_out:
        return f"fewer than {BACKLOG:,} cards were due"
    return ""

"""How late cards are when they can be in time: ten thousand of them, with a stack that could check many more."""

from statistics import median

from cards.models import CheckType
from lab.benchmark.run import Run
from polling.models import TaskType

INTERVAL_SECONDS = 30
LOOKS = 10
AGES = f"""
    SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY share), percentile_cont(0.95) WITHIN GROUP (ORDER BY share),
           max(share)
    FROM (SELECT extract(epoch FROM now() - checked_at) / {INTERVAL_SECONDS} AS share
          FROM cards_checkstate WHERE type = '{CheckType.DATA_USAGE.value}' AND card_id = ANY('{{%s}}')) AS aged
"""


def measure(run: Run) -> None:
    """A new fleet, each card of which is promised a check every half minute: the age of its last good answer, by the rows."""
    if not run.extent.small_cards:
        run.findings.leave_out("lateness", "it takes a minute and a half")
        return
    run.engine_off()
    run.stack.empty()
    run.make_fleet(run.extent.small_cards)
    # First the configs, then what they promise.
    run.plan()
    run.stack.rows(
        f"UPDATE polling_pollingconfig SET carddata_check_interval = {INTERVAL_SECONDS} "
        "WHERE carddata_check_interval > 0 RETURNING id"
    )
    run.plan()
    run.allow(TaskType.DATA_USAGE)
    run.engine_on()
    run.wait(run.extent.lateness_seconds)
    ages = AGES % ",".join(map(str, run.scheduled(TaskType.DATA_USAGE)))
    looks = []
    # Cards that were read together are of one age: a whole interval is looked at.
    for _ in range(LOOKS):
        run.wait(INTERVAL_SECONDS / LOOKS)
        looks += run.stack.rows(ages)
    cards, half, most, latest = zip(*looks, strict=True)
    run.findings.lateness = {
        "cards": min(cards),
        "interval_seconds": INTERVAL_SECONDS,
        "p50": float(median(half)),
        "p95": float(median(most)),
        "max": float(max(latest)),
    }

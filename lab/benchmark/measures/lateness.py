"""Measures the lateness of ten thousand cards, far fewer than the engine could check within the interval."""

from statistics import median

from cards.models import CheckType
from lab.benchmark.run import Run

INTERVAL_SECONDS = 30
SAMPLES = 10
AGES = f"""
    SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY share), percentile_cont(0.95) WITHIN GROUP (ORDER BY share),
           max(share)
    FROM (SELECT extract(epoch FROM now() - checked_at) / {INTERVAL_SECONDS} AS share
          FROM cards_checkstate WHERE type = '{CheckType.DATA_USAGE.value}' AND card_id = ANY('{{%s}}')) AS aged
"""


def measure(run: Run) -> None:
    """Check each card of a new fleet every half minute, and measure how old the last good answers are."""
    if not run.extent.small_cards:
        run.findings.leave_out("lateness", "measuring it takes a minute and a half")
        return
    run.engine_off()
    run.stack.empty()
    run.make_fleet(run.extent.small_cards)
    # The first `plan` creates the configs. The second one applies the interval that was changed in between.
    run.plan()
    run.stack.rows(
        f"UPDATE polling_pollingconfig SET carddata_check_interval = {INTERVAL_SECONDS} "
        "WHERE carddata_check_interval > 0 RETURNING id"
    )
    run.plan()
    run.allow(CheckType.DATA_USAGE)
    run.engine_on()
    run.wait(run.extent.lateness_seconds)
    query = AGES % ",".join(map(str, run.scheduled(CheckType.DATA_USAGE)))
    samples = []
    # Cards that were read together have the same age, so the samples are spread over an entire interval.
    for _ in range(SAMPLES):
        run.wait(INTERVAL_SECONDS / SAMPLES)
        samples += run.stack.rows(query)
    counts, medians, p95s, maxima = zip(*samples, strict=True)
    run.findings.lateness = {
        "cards": min(counts),
        "interval_seconds": INTERVAL_SECONDS,
        "p50": float(median(medians)),
        "p95": float(median(p95s)),
        "max": float(max(maxima)),
    }

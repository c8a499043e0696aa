"""How long somebody waits for a check that he has asked for, while a hundred thousand cards are due."""

import time
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from random import Random

from cards.models import CheckType
from polling.benchmark.extent import BACKLOG
from polling.benchmark.rates import percentile
from polling.benchmark.run import Run
from polling.models import TaskType
from polling.store import keys

KEY = "manual_p99_seconds"
LATENCY_MS = 200
EVERY_SECONDS = 0.2
WARM_UP_SECONDS = 5
LAST_SECONDS = 10
# The cards that are asked for have been checked lately: nothing but the trigger has them checked again.
ASKED_FOR = """
    SELECT card_id FROM cards_checkstate WHERE type = 'carddata' AND checked_at > now() - interval '20 minutes'
    ORDER BY card_id LIMIT 20000
"""


def measure(run: Run) -> None:
    """One card after the other is put on the list of triggers; its row says when it was checked."""
    if not run.extent.triggers:
        run.findings.leave_out(KEY, "a backlog of 100,000 cards takes longer to make")
        return
    with run.latency(LATENCY_MS):
        run.allow(TaskType.DATA_USAGE)
        run.engine_on()
        run.wait(WARM_UP_SECONDS)
        asked_for = _ask(run)
        run.wait(LAST_SECONDS)
    backlog = _due(run)
    run.allow()
    if backlog < BACKLOG:
        run.findings.leave_out(KEY, f"only {backlog:,} cards were due at the end")
        return
    waits = _waits(run, asked_for)
    run.findings.details["manual"] = {
        "without_result": _without_result(run, asked_for),
        "triggers": len(waits),
        "p50_seconds": percentile(waits, 0.5),
        "most_seconds": max(waits),
        "backlog_at_the_end": backlog,
    }
    run.findings.found(KEY, percentile(waits, 0.99), otherwise="")


def _ask(run: Run) -> dict[int, datetime]:
    """Card -> when it was asked for, by the database's clock."""
    cards = [card_id for (card_id,) in run.stack.rows(ASKED_FOR)]
    chosen = Random(run.seed).sample(cards, min(run.extent.triggers, len(cards)))
    asked_for = {}
    for card_id in chosen:
        asked_for[card_id] = run.now()
        run.stack.redis.lpush(keys.manual(TaskType.DATA_USAGE), card_id)
        time.sleep(EVERY_SECONDS)
    return asked_for


def _waits(run: Run, asked_for: Mapping[int, datetime]) -> list[float]:
    """Seconds from asking to the result; one that has none yet has waited until now."""
    checked, now = _checked_at(run, asked_for), run.now()
    return [
        ((checked[card_id] if checked[card_id] > asked_at else now) - asked_at) / timedelta(seconds=1)
        for card_id, asked_at in asked_for.items()
    ]


def _without_result(run: Run, asked_for: Mapping[int, datetime]) -> int:
    checked = _checked_at(run, asked_for)
    return sum(checked[card_id] <= asked_at for card_id, asked_at in asked_for.items())


def _checked_at(run: Run, cards: Collection[int]) -> dict[int, datetime]:
    return dict(
        run.stack.rows(
            "SELECT card_id, checked_at FROM cards_checkstate "
            f"WHERE type = '{CheckType.DATA_USAGE.value}' AND card_id IN ({', '.join(map(str, cards))})"
        )
    )


def _due(run: Run) -> int:
    seconds, _ = run.stack.redis.time()
    return int(run.stack.redis.zcount(keys.queue(TaskType.DATA_USAGE), "-inf", seconds))

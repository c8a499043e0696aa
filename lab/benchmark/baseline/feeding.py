"""`python -m lab.benchmark.baseline.feeding COUNT`: a message each for the cards that the engine would take first."""

import sys

import django


def main(count: int) -> None:
    """Send them; prints how many there are."""
    django.setup()
    from common.redis.client import for_worker
    from lab.benchmark.baseline.app import app, check
    from polling.models import TaskType
    from polling.schedule import keys

    cards = [int(str(card)) for card in for_worker().zrange(keys.queue(TaskType.DATA_USAGE), 0, count - 1)]
    with app.producer_or_acquire() as producer:
        for card_id in cards:
            check.apply_async((card_id,), producer=producer)
    print(len(cards))  # noqa: T201 (who started us reads it)


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""`python -m lab.benchmark.baseline.feeding COUNT` sends the baseline one message for each of COUNT cards."""

import sys

import django


def main(count: int) -> None:
    """Send a message for each of the `count` cards that fall due first, and print the number of messages."""
    django.setup()
    from cards.models import CheckType
    from common.redis.client import for_worker
    from lab.benchmark.baseline.app import app, check
    from polling.schedule import keys

    cards = [int(str(card)) for card in for_worker().zrange(keys.queue(CheckType.DATA_USAGE), 0, count - 1)]
    with app.producer_or_acquire() as producer:
        for card_id in cards:
            check.apply_async((card_id,), producer=producer)
    print(len(cards))  # noqa: T201 (the parent process reads it)


if __name__ == "__main__":
    main(int(sys.argv[1]))

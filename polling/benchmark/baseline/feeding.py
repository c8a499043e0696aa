"""`python -m polling.benchmark.baseline.feeding COUNT`: a message each for the cards that were read longest ago."""

import sys

import django


def main(count: int) -> None:
    """Send them; prints how many there are."""
    django.setup()
    from cards.models import CheckState, CheckType
    from polling.benchmark.baseline.app import app, check

    read_first = CheckState.objects.filter(type=CheckType.DATA_USAGE, card__deleted_at__isnull=True)
    cards = list(read_first.order_by("checked_at").values_list("card_id", flat=True)[:count])
    with app.producer_or_acquire() as producer:
        for card_id in cards:
            check.apply_async((card_id,), producer=producer)
    print(len(cards))  # noqa: T201 (who started us reads it)


if __name__ == "__main__":
    main(int(sys.argv[1]))

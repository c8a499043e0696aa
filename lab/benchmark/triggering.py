"""`python -m lab.benchmark.triggering COUNT SECONDS SEED` triggers COUNT cards, one every SECONDS."""

import os
import sys
import time
from random import Random

import django

# The cards are chosen at random from this many cards at the end of the queue.
POOL = 20_000


def main(count: int, seconds: float, seed: int) -> None:
    """Trigger `count` of the cards that fall due last, so that they are not checked before their triggers."""
    os.environ["POLLING_MANUAL_CALLS_ADMINISTRATOR"] = str(count)
    django.setup()
    from django.utils import timezone

    from accounts.models import User
    from cards.models import CheckType
    from common.redis.client import for_worker
    from polling.models import ManualTrigger
    from polling.schedule import keys
    from polling.triggers.choosing import CardSelection
    from polling.triggers.triggering import trigger

    user = User.objects.create_superuser("benchmark")
    last = for_worker().zrange(keys.queue(CheckType.DATA_USAGE.value), 0, POOL - 1, desc=True)
    cards = [int(str(card)) for card in last]
    for card_id in Random(seed).sample(cards, min(count, len(cards))):
        selection = CardSelection(ManualTrigger.Kind.SINGLE, card_ids=[card_id])
        trigger(user, CheckType.DATA_USAGE, selection, now=timezone.now())
        time.sleep(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))

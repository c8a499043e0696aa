"""`python -m lab.benchmark.asking TRIGGERS SECONDS SEED`: one card after the other is triggered, every so many seconds."""

import os
import sys
import time
from random import Random

import django


def main(triggers: int, seconds: float, seed: int) -> None:
    """Of cards that have been checked lately: nothing but the trigger has them checked again."""
    os.environ["POLLING_MANUAL_CALLS_ADMINISTRATOR"] = str(triggers)
    django.setup()
    from datetime import timedelta

    from django.utils import timezone

    from accounts.models import User
    from cards.models import CheckState, CheckType
    from polling.models import ManualTrigger
    from polling.triggers.choosing import Wanted
    from polling.triggers.triggering import trigger

    user = User.objects.create_superuser("benchmark")
    lately = CheckState.objects.filter(
        type=CheckType.DATA_USAGE, checked_at__gt=timezone.now() - timedelta(minutes=20)
    )
    cards = list(lately.order_by("card_id").values_list("card_id", flat=True)[:20_000])
    for card_id in Random(seed).sample(cards, min(triggers, len(cards))):
        wanted = Wanted(ManualTrigger.Kind.SINGLE, card_ids=[card_id])
        trigger(user, CheckType.DATA_USAGE, wanted, now=timezone.now())
        time.sleep(seconds)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))

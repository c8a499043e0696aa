"""System checks that reject settings under which the engine could not keep its guarantees.

Most management commands run them when they start, unless `--skip-checks` is given.
"""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from carriers.models import MAX_TIMEOUT_SECONDS
from common.redis.semaphore import LEASE_SECONDS
from polling.conf import PollingSettings
from polling.schedule.schedule import PORTION_CARDS

MIN_LINGER_MILLISECONDS = 200


@register
def check_polling(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Return an error for each rule that the current settings break. Django calls this function."""
    return problems(settings.POLLING)


def problems(conf: PollingSettings) -> list[CheckMessage]:
    """Return an error for each rule that `conf` breaks."""
    longest = conf.drain_seconds + MAX_TIMEOUT_SECONDS
    rules = (
        (
            "E001",
            conf.claim_seconds > longest,
            (
                f"POLLING_CLAIM_SECONDS must be above {longest}, "
                "because a claim must outlast a drain and its last call."
            ),
        ),
        (
            "E002",
            conf.drain_seconds >= 1 and longest < LEASE_SECONDS,
            (
                f"POLLING_DRAIN_SECONDS must be 1 to {LEASE_SECONDS - MAX_TIMEOUT_SECONDS - 1}, "
                "because a lease must outlast a drain and its last call."
            ),
        ),
        (
            "E003",
            1 <= conf.batch_cards <= PORTION_CARDS,
            f"POLLING_BATCH_CARDS must be 1 to {PORTION_CARDS}.",
        ),
        (
            "E004",
            1 <= conf.seed_chunk_cards <= 100_000,  # noqa: PLR2004 (the documented maximum)
            "POLLING_SEED_CHUNK_CARDS must be 1 to 100000.",
        ),
        ("E005", conf.seed_ramp_seconds >= 0, "POLLING_SEED_RAMP_SECONDS must be 0 or more."),
        (
            "E006",
            conf.drain_linger_milliseconds >= MIN_LINGER_MILLISECONDS,
            (
                f"POLLING_DRAIN_LINGER_MILLISECONDS must be {MIN_LINGER_MILLISECONDS} or more, "
                "because a drain looks for work five times per second."
            ),
        ),
    )
    return [Error(message, id=f"polling.{code}") for code, is_right, message in rules if not is_right]

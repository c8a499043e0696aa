"""Settings of `polling` that each deployment sets in its environment.

Values that operators change at run time, such as limits and configs, are stored in the database instead.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PollingSettings:
    """The settings of `polling`, read from the variables `POLLING_*`.

    `batch_cards` and `seed_chunk_cards` are numbers of cards.

    Example::

        PollingSettings(claim_seconds=60, drain_seconds=15)
    """

    claim_seconds: int = 60
    drain_seconds: int = 15
    # How long a drain waits for more due cards before it ends.
    drain_linger_milliseconds: int = 1000
    batch_cards: int = 500
    seed_chunk_cards: int = 20_000
    seed_ramp_seconds: int = 60
    # How many manual triggers a user of each role may send per day. Days begin in the user's time zone.
    manual_calls_administrator: int = 100
    manual_calls_operator: int = 100
    manual_calls_agent: int = 100

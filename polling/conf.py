"""Settings of `polling` that change with a deployment. Settings that operators tune at run time are rows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PollingSettings:
    """Settings of `polling`: times in seconds unless the name says otherwise, sizes in cards.

    Example::

        PollingSettings(claim_seconds=60, drain_seconds=15)
    """

    claim_seconds: int = 60
    drain_seconds: int = 15
    # How long a drain waits for more work before it ends.
    drain_linger_milliseconds: int = 1000
    batch_cards: int = 500
    seed_chunk_cards: int = 20_000
    seed_ramp_seconds: int = 60
    # Calls for each user and local day, by role.
    manual_calls_administrator: int = 100
    manual_calls_operator: int = 100
    manual_calls_agent: int = 100

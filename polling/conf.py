"""Settings of `polling`: what changes with a deploy. What an operator tunes while it runs is a row."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PollingSettings:
    """Times in seconds, sizes in cards."""

    claim_seconds: int = 60
    drain_seconds: int = 15
    batch_cards: int = 500
    seed_chunk_cards: int = 20_000
    seed_ramp_seconds: int = 60
    # Calls a user and local day, by role.
    manual_calls_administrator: int = 100
    manual_calls_operator: int = 100
    manual_calls_agent: int = 100

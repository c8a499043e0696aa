"""What travels from Redis to the call."""

from dataclasses import dataclass, field

from carriers.models import Gateway
from polling.checks.base import PolledCard
from polling.engine.disposition import Disposal


@dataclass(frozen=True)
class ClaimBatch:
    """Claimed cards on their way to a call, and the ends of the claims that get none.

    A fetcher fills `cards`; admission moves them to `admitted`, by gateway, or to `disposals`. `claimed` counts the
    claims that Redis granted, `handled` these and the cards that were parked. `is_last`: claiming more now is no use.
    """

    cards: list[PolledCard] = field(default_factory=list)
    admitted: list[tuple[Gateway, list[PolledCard]]] = field(default_factory=list)
    disposals: list[Disposal] = field(default_factory=list)
    claimed: int = 0
    handled: int = 0
    is_last: bool = False

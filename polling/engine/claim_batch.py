"""The type that carries claimed cards from Redis to the call."""

from dataclasses import dataclass, field

from carriers.models import Gateway
from polling.checks.base import PolledCard
from polling.engine.disposition import Disposal


@dataclass(frozen=True)
class ClaimBatch:
    """Claimed cards on their way to a call, and the disposals of claims that get no call.

    A fetcher fills `cards`. Admission moves each card either to `admitted`, where cards are grouped by
    gateway, or to `disposals`. `claimed` counts the claims that Redis granted, and `handled` also counts the
    cards that were parked. `is_last` means that claiming more cards now would be useless.
    """

    cards: list[PolledCard] = field(default_factory=list)
    admitted: list[tuple[Gateway, list[PolledCard]]] = field(default_factory=list)
    disposals: list[Disposal] = field(default_factory=list)
    claimed: int = 0
    handled: int = 0
    is_last: bool = False

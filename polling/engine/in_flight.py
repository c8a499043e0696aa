"""The claims that a stream has taken and not settled yet."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import Final, Self

from cards.models import CheckType
from polling.engine.disposition import Disposal, Disposition, dispose_claim
from polling.schedule.schedule import Claim, Schedule
from polling.triggers import items
from polling.triggers.items import ItemEnd

# Claims that this process could not give back because Redis was unavailable, by check type.
_owed: Final[dict[str, set[Claim]]] = defaultdict(set)


class InFlight:
    """The claims that a stream has not settled yet.

    At the end of the `with` block, the remaining claims are given back.

    Example::

        with InFlight(Schedule(redis, "carddata")) as in_flight:
            in_flight.take(claims)
            in_flight.dispose(disposals)
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._claims: set[Claim] = set()
        self.claimed = 0

    def __enter__(self) -> Self:
        """Give back the claims that an earlier drain of this process could not give back."""
        self._give_back_owed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back the claims that are left. Their cards keep their places, and nothing is counted."""
        _owed[self._schedule.check_type] |= self._claims
        self._give_back_owed()

    def __len__(self) -> int:
        return len(self._claims)

    def take(self, claims: Collection[Claim]) -> None:
        """Add claims that Redis has granted."""
        self._claims.update(claims)
        self.claimed += len(claims)

    def dispose(self, disposals: Sequence[Disposal]) -> None:
        """End claims: first report failures to waiting triggers in PostgreSQL, then settle in Redis. Blocks.

        The order matters: after a crash between the two steps, a check is only repeated. In the opposite
        order, a trigger could be lost.
        """
        items.end(self._item_ends(disposals))
        settlements = [
            settlement for settlement in (disposal.settlement for disposal in disposals) if settlement
        ]
        if settlements:
            self._schedule.settle(settlements)
        self._claims.difference_update(settlement.claim for settlement in settlements)

    def _item_ends(self, disposals: Sequence[Disposal]) -> list[ItemEnd]:
        failed = [disposal for disposal in disposals if disposal.failure]
        ends = [ItemEnd(item, disposal.failure) for disposal in failed for item in disposal.item_ids or ()]
        if unknown := {
            disposal.card_id: disposal.failure for disposal in failed if disposal.item_ids is None
        }:
            ends += items.unwanted(CheckType(self._schedule.check_type), unknown)
        return ends

    def _give_back_owed(self) -> None:
        # This is safe even if a card has been claimed again: the old token no longer matches, so Redis
        # ignores the settlement.
        if owed := _owed.get(self._schedule.check_type):
            self.dispose([dispose_claim(claim, Disposition.GIVEN_BACK) for claim in owed])
            del _owed[self._schedule.check_type]

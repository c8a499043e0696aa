"""A gateway may answer in its own spelling of the ICCID that it was asked for."""

from collections import defaultdict
from collections.abc import Sequence

from carriers.iccids import sim_of


class Spellings:
    """Finds the ICCID, among some that were asked for, that another spelling means.

    Example::

        Spellings(["8986 0000 0000 0000 001"]).meant_by("8986000000000000001F")
    """

    def __init__(self, iccids: Sequence[str]) -> None:
        self._exact = frozenset(iccids)
        # Built when a first other spelling is met, because most gateways answer with what they were asked.
        self._by_sim: dict[str, list[str]] = defaultdict(list)

    def meant_by(self, spelling: str) -> str | None:
        """Return the ICCID that `spelling` means; None if it means none of them, or possibly several."""
        if spelling in self._exact:
            return spelling
        if not self._by_sim:
            for iccid in self._exact:
                self._by_sim[sim_of(iccid)].append(iccid)
        meant = self._by_sim.get(sim_of(spelling), ())
        return meant[0] if len(meant) == 1 else None

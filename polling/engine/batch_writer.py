"""Collect a stream's answers and disposals, and decide when to write them in one transaction."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from polling.engine.ask import Answered
from polling.engine.disposition import Disposal
from polling.engine.recording import portion

RECORD_OUTCOMES = 200
# With fewer answers than RECORD_OUTCOMES, wait this long for more, because a transaction costs more than a
# row in it. If a trigger waits for an answer, write at once.
RECORD_SECONDS = 0.6


@dataclass
class BatchWriter:
    """Answers that are not recorded yet, and the disposals of claims that end without a call.

    `cards` counts the cards whose answers wait or are being recorded.
    """

    answered: list[Answered] = field(default_factory=list)
    disposals: list[Disposal] = field(default_factory=list)
    cards: int = 0
    _taken_at: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.answered or self.disposals)

    @property
    def is_full(self) -> bool:
        """Return whether there are enough answers for a transaction."""
        return self.cards >= RECORD_OUTCOMES

    @property
    def is_due(self) -> bool:
        """Return whether to write now.

        That is the case if there are enough answers, if a trigger waits, or if the answers have waited long
        enough.
        """
        return self.is_full or self._is_awaited or time.monotonic() - self._taken_at >= RECORD_SECONDS

    def add_answer(self, answered: Answered) -> None:
        """Add a call that has ended."""
        self.answered.append(answered)
        self.cards += len(answered.call.cards)

    def add_disposals(self, disposals: Iterable[Disposal]) -> None:
        """Add the disposals of claims that end without a call."""
        self.disposals += disposals

    def take_answers(self) -> list[Answered]:
        """Take the answers that fit into one transaction. Call `recorded` after that transaction."""
        self._taken_at = time.monotonic()
        taken, self.answered = portion(self.answered)
        return taken

    def recorded(self, answered: Sequence[Answered]) -> None:
        """Stop counting the cards of these calls, because their answers are stored."""
        self.cards -= sum(len(answer.call.cards) for answer in answered)

    def take_disposals(self) -> list[Disposal]:
        """Take the disposals of claims that end without a call."""
        taken, self.disposals = self.disposals, []
        return taken

    @property
    def _is_awaited(self) -> bool:
        """Return whether a manual trigger is waiting for one of these answers or disposals."""
        answered = (card for answer in self.answered for card in answer.call.cards)
        return any(card.item_ids for card in answered) or any(
            disposal.is_awaited for disposal in self.disposals
        )

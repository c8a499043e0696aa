"""Collect what a stream has to record and to settle, and decide when it is enough for a transaction."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from polling.engine.ask import Answered
from polling.engine.disposition import Disposal
from polling.engine.recording import portion

RECORD_OUTCOMES = 200
# Fewer answers wait this long for more, unless a trigger waits: a transaction costs more than a row in it.
RECORD_SECONDS = 0.6


@dataclass
class BatchWriter:
    """Answers that are not recorded yet, and claims that end without a call.

    `cards` counts cards with an answer that is not stored: it waits, or is being recorded.
    """

    answered: list[Answered] = field(default_factory=list)
    disposals: list[Disposal] = field(default_factory=list)
    cards: int = 0
    _taken_at: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.answered or self.disposals)

    @property
    def is_full(self) -> bool:
        """Whether there are enough answers for a transaction."""
        return self.cards >= RECORD_OUTCOMES

    @property
    def is_due(self) -> bool:
        """Whether to write now: it is full, a trigger waits, or the answers have waited long enough."""
        return self.is_full or self._is_awaited or time.monotonic() - self._taken_at >= RECORD_SECONDS

    def add_answer(self, answered: Answered) -> None:
        """Add an ended call."""
        self.answered.append(answered)
        self.cards += len(answered.call.cards)

    def add_disposals(self, disposals: Iterable[Disposal]) -> None:
        """Add claims that end without a call."""
        self.disposals += disposals

    def take_answers(self) -> list[Answered]:
        """Take what is recorded now; `recorded` must follow."""
        self._taken_at = time.monotonic()
        taken, self.answered = portion(self.answered)
        return taken

    def recorded(self, answered: Sequence[Answered]) -> None:
        """Note that these calls are stored."""
        self.cards -= sum(len(answer.call.cards) for answer in answered)

    def take_disposals(self) -> list[Disposal]:
        """Take the claims that end without a call."""
        taken, self.disposals = self.disposals, []
        return taken

    @property
    def _is_awaited(self) -> bool:
        """Whether a trigger waits for a result, or for its card to be at the front again."""
        answered = (card for answer in self.answered for card in answer.call.cards)
        return any(card.item_ids for card in answered) or any(
            disposal.is_awaited for disposal in self.disposals
        )

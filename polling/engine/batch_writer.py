"""What a stream has still to record and to settle, and when it is time to."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from polling.checks.base import PolledCard
from polling.engine.ask import Answered
from polling.engine.recording import portion
from polling.schedule.schedule import Counts, Settlement

RECORD_OUTCOMES = 200
# Fewer answers wait so long for others, unless somebody waits for one of them: a transaction costs more than a row in it.
RECORD_SECONDS = 0.6


@dataclass
class BatchWriter:
    """Answers, and claims that are settled without a call. `given_up`: nobody need wait for these cards.

    `cards` is how many have an answer that is not recorded, whether it is being recorded or waits.
    """

    answered: list[Answered] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    given_up: list[PolledCard] = field(default_factory=list)
    cards: int = 0
    _taken_at: float = 0.0

    def __bool__(self) -> bool:
        """Whether there is anything that waits."""
        return bool(self.answered or self.settlements)

    @property
    def is_many(self) -> bool:
        """Enough for a transaction."""
        return self.cards >= RECORD_OUTCOMES

    @property
    def is_due(self) -> bool:
        """Whether it has waited long enough, or somebody waits for it."""
        return self.is_many or self._is_awaited or time.monotonic() - self._taken_at >= RECORD_SECONDS

    def answer(self, answered: Answered) -> None:
        """A call has come to its end."""
        self.answered.append(answered)
        self.cards += len(answered.call.cards)

    def settle(self, settlements: Iterable[Settlement], *, given_up: Iterable[PolledCard] = ()) -> None:
        """These claims end without a call."""
        self.settlements += settlements
        self.given_up += given_up

    def take_answers(self) -> list[Answered]:
        """What is recorded now; `recorded` must follow."""
        self._taken_at = time.monotonic()
        taken, self.answered = portion(self.answered)
        return taken

    def recorded(self, answered: Sequence[Answered]) -> None:
        """These are stored."""
        self.cards -= sum(len(one.call.cards) for one in answered)

    def take_settlements(self) -> tuple[list[Settlement], list[PolledCard]]:
        """The claims that end without a call, and the cards that were given up."""
        taken = (self.settlements, self.given_up)
        self.settlements, self.given_up = [], []
        return taken

    @property
    def _is_awaited(self) -> bool:
        """Whether somebody waits for one of the cards: for its result, or to see it in front again."""
        answered = (card for one in self.answered for card in one.call.cards)
        return any(card.item_ids for card in (*answered, *self.given_up)) or any(
            one.counts is Counts.AGAIN for one in self.settlements
        )

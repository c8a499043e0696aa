"""A model of the schedule in plain Python. Tests compare the Lua scripts with it."""

from collections import Counter
from dataclasses import dataclass, field
from math import inf

from polling.schedule.schedule import PARK_AFTER, SUSPECT_AFTER


@dataclass
class Held:
    """A claim, as the schedule stores it."""

    token: int
    ends_at: float
    # The new due time, if the card was rescheduled or hastened during the claim; otherwise infinity.
    due: float = inf
    holder: str = ""


@dataclass
class Model:
    """The schedule of one check type. Times are absolute, and methods get the current time as `now`."""

    queue: dict[int, float] = field(default_factory=dict)
    claims: dict[int, Held] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)
    suspects: set[int] = field(default_factory=set)
    again: set[int] = field(default_factory=set)
    manual: list[int] = field(default_factory=list)
    parked: set[int] = field(default_factory=set)
    # The tokens of claims whose cards were forgotten during the claim.
    forgotten: set[int] = field(default_factory=set)
    # The number of claims by their end, as in `polling:counters`: lost, success or uncounted.
    ended: Counter[str] = field(default_factory=Counter)
    tokens: int = 0

    def is_alive(self, card: int, now: float) -> bool:
        return card in self.claims and self.claims[card].ends_at > now

    def claim(self, count: int, now: float, ttl: float, *, only_triggered: bool) -> list[tuple[int, str]]:
        """Claim up to `count` cards. Return pairs (card, "claim" | "park" | "parked") in claiming order."""
        due = sorted(
            (card for card in self.queue if self.queue[card] <= now and not only_triggered),
            key=lambda card: (self.queue[card], str(card)),
        )
        due = due[:count]
        share = count
        if due:
            share = self.tokens % 2 if count == 1 else int(count * 0.8)
        triggered, self.manual = self.manual[:share], self.manual[share:]
        granted: list[tuple[int, str]] = []
        seen: set[int] = set()
        for card in [*triggered, *due[: count - len(triggered)]]:
            if card not in seen:
                seen.add(card)
                granted += self._take(card, now, ttl, alone=False)
        return granted

    def claim_alone(self, suspect: int | None, now: float, ttl: float) -> list[tuple[int, str]]:
        """Claim the suspect that Redis has chosen at random. None means that there was no suspect."""
        if suspect is None:
            return []
        self.suspects.discard(suspect)
        return (
            self._take(suspect, now, ttl, alone=True) if suspect in self.queue or suspect in self.lost else []
        )

    def settle(
        self, card: int, token: int, delay: float | None, now: float, *, was_asked: bool, again: bool = False
    ) -> bool:
        if card not in self.claims or self.claims[card].token != token:
            if token in self.forgotten:
                self.forgotten.remove(token)
                self._end(was_asked=was_asked)
            return False
        held = self.claims.pop(card)
        self._end(was_asked=was_asked)
        if delay is None:
            self.queue.pop(card, None)
        elif card in self.queue:
            self.queue[card] = min(now + delay, held.due)
        if again:
            self.manual.insert(0, card)
        if was_asked or delay is None:
            self.lost.pop(card, None)
            self.suspects.discard(card)
            if card in self.again and delay is not None:
                self.manual.insert(0, card)
            self.again.discard(card)
        return True

    def plan(self, card: int, delay: float, now: float, *, move: bool) -> None:
        if card in self.parked:
            return
        if self.is_alive(card, now):
            self.queue.setdefault(card, self.claims[card].ends_at)
            if move:
                self.claims[card].due = now + delay
        elif move or card not in self.queue:
            self.queue[card] = now + delay

    def hasten(self, card: int, delay: float, now: float) -> None:
        if self.is_alive(card, now):
            self.claims[card].due = min(self.claims[card].due, now + delay)
        elif card in self.queue:
            self.queue[card] = min(self.queue[card], now + delay)

    def expire_claims(self, dead: str, ends_at: float) -> int:
        ended = [card for card, held in self.claims.items() if held.holder == dead and held.ends_at > ends_at]
        for card in ended:
            self.claims[card].ends_at = ends_at
            if card in self.queue:
                self.queue[card] = min(self.queue[card], ends_at)
        return len(ended)

    def forget(self, card: int) -> None:
        self.queue.pop(card, None)
        self.parked.discard(card)
        if card in self.claims:
            self.forgotten.add(self.claims[card].token)
        self._clear(card)

    def park(self, card: int) -> None:
        self.queue.pop(card, None)
        self._clear(card)
        self.parked.add(card)

    def _end(self, *, was_asked: bool) -> None:
        self.ended["success" if was_asked else "uncounted"] += 1

    def _clear(self, card: int) -> None:
        self.claims.pop(card, None)
        self.lost.pop(card, None)
        self.suspects.discard(card)
        self.again.discard(card)

    def _take(self, card: int, now: float, ttl: float, *, alone: bool) -> list[tuple[int, str]]:
        if card in self.parked:
            return [(card, "parked")]
        if self.is_alive(card, now):
            self.again.add(card)
            return []
        if card in self.claims:
            del self.claims[card]
            self.lost[card] = self.lost.get(card, 0) + 1
            self.ended["lost"] += 1
        lost = self.lost.get(card, 0)
        if card in self.queue:
            self.queue[card] = now + ttl
        if lost >= PARK_AFTER:
            return [(card, "park")]
        if lost >= SUSPECT_AFTER and not alone:
            self.suspects.add(card)
            return []
        self.tokens += 1
        self.claims[card] = Held(0, now + ttl)
        self.again.discard(card)
        return [(card, "claim")]

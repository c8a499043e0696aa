"""The stream of a check that asks gateways: claim, ask, record, settle, all at once on different cards."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence

from common.redis.semaphore import HeldSeats
from polling.checks.base import GatewayCheck, Outcome, PolledCard
from polling.engine import disposition
from polling.engine.admission import CALLS_A_SEAT, RESTING, Ahead, Claimer, TakenByGateway
from polling.engine.ask import Answered, Asker, Call
from polling.engine.batch_writer import Unrecorded
from polling.engine.disposition import Hand
from polling.engine.fetch import Intake
from polling.engine.local_queue import Waiting
from polling.engine.recording import record
from polling.engine.stream import LOOK_SECONDS, Means, Stream, either
from polling.engine.throttle.fair_share import Sharing
from polling.schedule.schedule import Outlook, Settlement
from polling.triggers import items

# Calls that take longer than so many looks are slow.
SLOW_LOOKS = 2
# With so many answers unrecorded, only triggers are asked about: PostgreSQL is slower than the gateways.
UNRECORDED_AT_MOST = 1000


class GatewayStream(Stream):
    """Claims ahead of its calls, calls on every seat, and records in batches."""

    most_seats = sys.maxsize

    def __init__(self, check: GatewayCheck, seats: HeldSeats, hand: Hand, means: Means) -> None:
        """See the base class."""
        super().__init__(check, seats, hand, means)
        self._asker = Asker(check, means.outgoing)
        self._intake = Intake(check.type, redis=means.redis, hand=hand, chance=means.chance)
        self._claimer = Claimer(
            self._intake,
            gates=means.gates,
            call_seconds=self._asker.call_seconds,
            chance=means.chance,
        )
        self._waiting = Waiting()
        self._calls: dict[asyncio.Task[None], Call] = {}
        self._unrecorded = Unrecorded()
        self._is_claiming, self._is_closed = True, False
        self._has_room, self._has_answers = asyncio.Event(), asyncio.Event()
        self._triggered, self._begun, self._pace_of_look = 0, 0, 0
        self._is_stuck = False
        self._sharing = Sharing(self._asker.is_slow)
        self._at_next_turn: asyncio.TimerHandle | None = None

    async def check_suspects(self) -> None:
        """See the base class."""
        while self.means.lifetime.is_young and len(self.seats):
            taken = await self.means.outlet.in_thread(self._claimer.claim_suspect)
            if taken is None:
                return
            self._line_up(taken)
            self._ask()
            while self._calls or (self._waiting.calls() and self._may_ask and len(self.seats)):
                # One that waits for its turn is asked alone, too.
                await asyncio.wait(self._calls or [asyncio.ensure_future(asyncio.sleep(LOOK_SECONDS))])
            await self._record_and_settle()

    async def flow(self) -> None:
        """See the base class."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_recording())
                await self._keep_claiming()
        finally:
            await self.close()

    async def close(self) -> None:
        """See the base class."""
        self._is_closed = True
        if self._at_next_turn:
            self._at_next_turn.cancel()
        self.cut_calls()
        while self._calls:
            await asyncio.wait(self._calls)
        self._asker.tell_failures()

    @property
    def is_at_work(self) -> bool:
        """See the base class."""
        return bool(self._calls)

    def seats_by_gateway(self) -> Counter[int]:
        """See the base class."""
        return self._sharing.seats(self.waiting_by_gateway())

    def waiting_by_gateway(self) -> Counter[int]:
        """See the base class."""
        return Counter(self._waiting.calls_by_gateway())

    def take_pace(self) -> int:
        """See the base class."""
        begun, self._begun = self._begun, 0
        self._pace_of_look = begun
        # Seats that are kept free for other gateways are in use.
        return max(begun + len(self._calls), len(self.seats) * self._sharing.take_withheld())

    def share_seats(self) -> None:
        """See the base class."""
        self._sharing.look(self.waiting_by_gateway(), len(self.seats), self._claimer.open_gateways)

    def take_notice(self, outlook: Outlook) -> None:
        """See the base class."""
        self._triggered = outlook.triggered
        self._is_stuck = outlook.due > 0 and self._pace_of_look * SLOW_LOOKS < len(self._calls)
        self._ask()
        if outlook.cards:
            self._has_room.set()

    def defer(self, gateway_id: int) -> None:
        """See the base class."""
        rest, chance = self.means.gates.rest_of(gateway_id), self.means.chance
        cards = self._waiting.drop(gateway_id)
        if rest is None:
            self._unrecorded.settle([disposition.without_seat(card, chance) for card in cards])
            return
        self._unrecorded.settle(
            [disposition.while_resting(card, rest, chance) for card in cards],
            given_up=cards if rest.is_open else (),
        )

    def cut_calls(self) -> None:
        """See the base class."""
        for task in self._calls:
            task.cancel()

    # ---- claim

    async def _keep_claiming(self) -> None:
        while self.means.lifetime.may_claim:
            taken = await self._claim()
            if taken:
                self._line_up(taken)
                self._ask()
            if taken is None or taken.is_all:
                self._has_room.clear()
                await either(self._has_room, LOOK_SECONDS)
        self._is_claiming = False

    async def _claim(self) -> TakenByGateway | None:
        seats, waiting = len(self.seats), self.waiting_by_gateway()
        calls = self._sharing.lined_up(waiting)
        triggered = self._waiting.triggered_calls_by_gateway()
        ahead = Ahead(waiting, triggered)
        in_thread = self.means.outlet.in_thread
        if calls < seats:
            return await in_thread(
                self._claimer.claim,
                seats * CALLS_A_SEAT - calls,
                ahead=ahead,
                share_of=self._sharing.share_of,
            )
        if self._is_stuck and len({*self._sharing.running, *waiting}) < len(self._claimer.open_gateways):
            # Slow gateways have all seats: cards of others may stand behind theirs.
            self._is_stuck = False
            return await in_thread(
                self._claimer.look_behind,
                seats * CALLS_A_SEAT,
                ahead=ahead,
                share_of=self._sharing.share_of,
            )
        if self._triggered and sum(triggered.values()) < seats:
            return await in_thread(
                self._claimer.claim_triggered, seats, ahead=ahead, share_of=self._sharing.share_of
            )
        return None

    def _line_up(self, taken: TakenByGateway) -> None:
        self._unrecorded.settle(taken.settlements)
        for gateway, cards in taken.cards:
            self._waiting.add(gateway, cards)

    # ---- ask

    def _ask(self) -> None:
        """Begin calls while there are seats: of the type first, then of a gateway."""
        while self._may_ask and self.seats.begin():
            call = self._waiting.next(
                self._begin_at, only_triggered=self._unrecorded.cards >= UNRECORDED_AT_MOST
            )
            if call is None:
                self.seats.end()
                self._wait_for_turn()
                return
            self._begin(call)

    def _begin_at(self, gateway_id: int) -> bool:
        """Take a seat at the gateway, unless it uses its share of the type's seats already."""
        if self._asker.outlasts(gateway_id, self.means.lifetime.seconds_left):
            # The drain would wait for it in the end, with the seats of the quick ones idle.
            return False
        return self._sharing.may_begin(gateway_id) and self.means.gates.begin(gateway_id)

    def _wait_for_turn(self) -> None:
        """Nothing may begin now; look again when the next turn at a gateway comes."""
        if self._at_next_turn:
            self._at_next_turn.cancel()
        wait = self.means.gates.turn_in(self.waiting_by_gateway())
        self._at_next_turn = asyncio.get_running_loop().call_later(wait, self._ask) if wait else None

    @property
    def _may_ask(self) -> bool:
        # Nor triggers without bound: what is answered has to be recorded before the drain can end.
        has_room = self._unrecorded.cards < 2 * UNRECORDED_AT_MOST
        return self.means.lifetime.may_call and not self._is_closed and has_room

    def _begin(self, call: Call) -> None:
        self._begun += 1
        self._sharing.begin(call.gateway.pk)
        task = asyncio.create_task(self._call(call))
        self._calls[task] = call
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        """A call has come to its end, or was cut off."""
        call = self._calls.pop(task)
        self._sharing.end(call.gateway.pk)
        self.seats.end()
        self.means.gates.end(call.gateway.pk)
        self._ask()
        if not self._calls:
            # Nothing else will be answered soon.
            self._has_answers.set()
        if self._sharing.lined_up(self._waiting.calls_by_gateway()) < len(self.seats):
            self._has_room.set()

    async def _call(self, call: Call) -> None:
        self._keep_or_repeat(await self._asker.ask(call))

    def _keep_or_repeat(self, answered: Answered) -> None:
        call = answered.call
        is_well = self._asker.is_well(call.gateway)
        self.means.gates.tell(call.gateway.pk, answered.tally(is_gateway_well=is_well))
        if answered.has_failed and is_well:
            # The gateway answers others, so a card may be the reason: ask again in halves, to find out which.
            if self.means.lifetime.may_call and not (call.is_repeat and len(call.cards) == 1):
                self._waiting.repeat(call.halves())
                return
            if call.is_repeat and len(call.cards) == 1:
                answered = answered.blamed_on_the_card()
        self._unrecorded.answer(answered)
        if self._unrecorded.is_many:
            self._has_answers.set()

    # ---- record

    async def _keep_recording(self) -> None:
        while not self._is_over:
            if not self._unrecorded.is_many:
                await either(self._has_answers, LOOK_SECONDS)
            self._has_answers.clear()
            if self._unrecorded.is_due or not self._calls:
                await self._record_and_settle()
                # There may have been too many answers to ask on.
                self._ask()

    @property
    def _is_over(self) -> bool:
        has_more = self._is_claiming or (self.means.lifetime.may_claim and self._waiting.calls() > 0)
        return not (has_more or self._calls or self._unrecorded)

    async def _record_and_settle(self) -> None:
        answered = self._unrecorded.take_answers()
        settlements, given_up = self._unrecorded.take_settlements()
        if answered:
            outcomes = await self.means.outlet.in_thread(self._record, answered)
            self._unrecorded.recorded(answered)
            await self.means.outlet.in_thread(self._settle, answered, outcomes)
        if settlements:
            await self.means.outlet.in_thread(self._settle_without_call, settlements, given_up)

    def _record(self, answered: Sequence[Answered]) -> list[Outcome]:
        outcomes = record(self.check, [result for one in answered for result in one.results])
        gone = [card for one in answered if one.is_in_vain for card in one.call.cards]
        items.end(items.failed(gone, "the gateway gave no answer"))
        return self._intake.by_configs_in_force(outcomes)

    # ---- settle

    def _settle_without_call(self, settlements: Sequence[Settlement], given_up: Sequence[PolledCard]) -> None:
        items.end(items.failed(given_up, RESTING))
        self.hand.settle(settlements)

    def _settle(self, answered: Sequence[Answered], outcomes: Sequence[Outcome]) -> None:
        self.hand.settle(disposition.after(answered, outcomes, self.means.chance, time.time()))
        disposition.hasten(self.means.redis, outcomes)

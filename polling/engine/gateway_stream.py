"""The stream of a check that asks gateways: claim, ask, record, settle, all at once on different cards."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence

from common.redis.semaphore import HeldSlots
from polling.checks.base import GatewayCheck, Outcome, PolledCard
from polling.engine import disposition
from polling.engine.admission import CALLS_PER_SLOT, RESTING, Admission, Ahead, TakenByGateway
from polling.engine.ask import Answered, Asker, Call
from polling.engine.batch_writer import BatchWriter
from polling.engine.disposition import InFlight
from polling.engine.fetch import Fetcher
from polling.engine.local_queue import Waiting
from polling.engine.recording import record
from polling.engine.stream import TICK_SECONDS, EngineContext, Stream, either
from polling.engine.throttle.fair_share import FairShare
from polling.schedule.schedule import Outlook, Settlement
from polling.triggers import items

# Calls that take longer than so many looks are slow.
SLOW_TICKS = 2
# With so many answers unrecorded, only triggers are asked about: PostgreSQL is slower than the gateways.
MAX_UNRECORDED = 1000


class GatewayStream(Stream):
    """Claims ahead of its calls, calls on every slot, and records in batches."""

    max_slots = sys.maxsize

    def __init__(
        self, check: GatewayCheck, slots: HeldSlots, in_flight: InFlight, context: EngineContext
    ) -> None:
        """See the base class."""
        super().__init__(check, slots, in_flight, context)
        self._asker = Asker(check, context.outgoing)
        self._fetcher = Fetcher(check.type, redis=context.redis, in_flight=in_flight, chance=context.chance)
        self._admission = Admission(
            self._fetcher,
            throttle=context.throttle,
            call_seconds=self._asker.call_seconds,
            chance=context.chance,
        )
        self._waiting = Waiting()
        self._calls: dict[asyncio.Task[None], Call] = {}
        self._writer = BatchWriter()
        self._is_claiming, self._is_closed = True, False
        self._has_room, self._has_answers = asyncio.Event(), asyncio.Event()
        self._triggered, self._begun, self._pace_of_look = 0, 0, 0
        self._is_stuck = False
        self._fair_share = FairShare(self._asker.is_slow)
        self._at_next_turn: asyncio.TimerHandle | None = None

    async def check_suspects(self) -> None:
        """See the base class."""
        while self.context.lifetime.is_young and len(self.slots):
            taken = await self.context.runtime.in_thread(self._admission.claim_suspect)
            if taken is None:
                return
            self._line_up(taken)
            self._ask()
            while self._calls or (self._waiting.calls() and self._may_ask and len(self.slots)):
                # One that waits for its turn is asked alone, too.
                await asyncio.wait(self._calls or [asyncio.ensure_future(asyncio.sleep(TICK_SECONDS))])
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

    def slots_by_gateway(self) -> Counter[int]:
        """See the base class."""
        return self._fair_share.slots(self.waiting_by_gateway())

    def waiting_by_gateway(self) -> Counter[int]:
        """See the base class."""
        return Counter(self._waiting.calls_by_gateway())

    def take_pace(self) -> int:
        """See the base class."""
        begun, self._begun = self._begun, 0
        self._pace_of_look = begun
        # Slots that are kept free for other gateways are in use.
        return max(begun + len(self._calls), len(self.slots) * self._fair_share.take_withheld())

    def share_slots(self) -> None:
        """See the base class."""
        self._fair_share.look(self.waiting_by_gateway(), len(self.slots), self._admission.open_gateways)

    def take_notice(self, outlook: Outlook) -> None:
        """See the base class."""
        self._triggered = outlook.triggered
        self._is_stuck = outlook.due > 0 and self._pace_of_look * SLOW_TICKS < len(self._calls)
        self._ask()
        if outlook.cards:
            self._has_room.set()

    def defer(self, gateway_id: int) -> None:
        """See the base class."""
        rest, chance = self.context.throttle.rest_of(gateway_id), self.context.chance
        cards = self._waiting.drop(gateway_id)
        if rest is None:
            self._writer.settle([disposition.without_slot(card, chance) for card in cards])
            return
        self._writer.settle(
            [disposition.while_resting(card, rest, chance) for card in cards],
            given_up=cards if rest.is_open else (),
        )

    def cut_calls(self) -> None:
        """See the base class."""
        for task in self._calls:
            task.cancel()

    # ---- claim

    async def _keep_claiming(self) -> None:
        while self.context.lifetime.may_claim:
            taken = await self._claim()
            if taken:
                self._line_up(taken)
                self._ask()
            if taken is None or taken.is_all:
                self._has_room.clear()
                await either(self._has_room, TICK_SECONDS)
        self._is_claiming = False

    async def _claim(self) -> TakenByGateway | None:
        slots, waiting = len(self.slots), self.waiting_by_gateway()
        calls = self._fair_share.lined_up(waiting)
        triggered = self._waiting.triggered_calls_by_gateway()
        ahead = Ahead(waiting, triggered)
        in_thread = self.context.runtime.in_thread
        if calls < slots:
            return await in_thread(
                self._admission.claim,
                slots * CALLS_PER_SLOT - calls,
                ahead=ahead,
                share_of=self._fair_share.share_of,
            )
        if self._is_stuck and len({*self._fair_share.running, *waiting}) < len(self._admission.open_gateways):
            # Slow gateways have all slots: cards of others may stand behind theirs.
            self._is_stuck = False
            return await in_thread(
                self._admission.look_behind,
                slots * CALLS_PER_SLOT,
                ahead=ahead,
                share_of=self._fair_share.share_of,
            )
        if self._triggered and sum(triggered.values()) < slots:
            return await in_thread(
                self._admission.claim_triggered, slots, ahead=ahead, share_of=self._fair_share.share_of
            )
        return None

    def _line_up(self, taken: TakenByGateway) -> None:
        self._writer.settle(taken.settlements)
        for gateway, cards in taken.cards:
            self._waiting.add(gateway, cards)

    # ---- ask

    def _ask(self) -> None:
        """Begin calls while there are slots: of the type first, then of a gateway."""
        while self._may_ask and self.slots.begin():
            call = self._waiting.next(self._begin_at, only_triggered=self._writer.cards >= MAX_UNRECORDED)
            if call is None:
                self.slots.end()
                self._wait_for_turn()
                return
            self._begin(call)

    def _begin_at(self, gateway_id: int) -> bool:
        """Take a slot at the gateway, unless it uses its share of the type's slots already."""
        if self._asker.outlasts(gateway_id, self.context.lifetime.seconds_left):
            # The drain would wait for it in the end, with the slots of the quick ones idle.
            return False
        return self._fair_share.may_begin(gateway_id) and self.context.throttle.begin(gateway_id)

    def _wait_for_turn(self) -> None:
        """Nothing may begin now; look again when the next turn at a gateway comes."""
        if self._at_next_turn:
            self._at_next_turn.cancel()
        wait = self.context.throttle.turn_in(self.waiting_by_gateway())
        self._at_next_turn = asyncio.get_running_loop().call_later(wait, self._ask) if wait else None

    @property
    def _may_ask(self) -> bool:
        # Nor triggers without bound: what is answered has to be recorded before the drain can end.
        has_room = self._writer.cards < 2 * MAX_UNRECORDED
        return self.context.lifetime.may_call and not self._is_closed and has_room

    def _begin(self, call: Call) -> None:
        self._begun += 1
        self._fair_share.begin(call.gateway.pk)
        task = asyncio.create_task(self._call(call))
        self._calls[task] = call
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        """A call has come to its end, or was cut off."""
        call = self._calls.pop(task)
        self._fair_share.end(call.gateway.pk)
        self.slots.end()
        self.context.throttle.end(call.gateway.pk)
        self._ask()
        if not self._calls:
            # Nothing else will be answered soon.
            self._has_answers.set()
        if self._fair_share.lined_up(self._waiting.calls_by_gateway()) < len(self.slots):
            self._has_room.set()

    async def _call(self, call: Call) -> None:
        self._keep_or_repeat(await self._asker.ask(call))

    def _keep_or_repeat(self, answered: Answered) -> None:
        call = answered.call
        is_well = self._asker.is_well(call.gateway)
        self.context.throttle.tell(call.gateway.pk, answered.tally(is_gateway_well=is_well))
        if answered.has_failed and is_well:
            # The gateway answers others, so a card may be the reason: ask again in halves, to find out which.
            if self.context.lifetime.may_call and not (call.is_repeat and len(call.cards) == 1):
                self._waiting.repeat(call.halves())
                return
            if call.is_repeat and len(call.cards) == 1:
                answered = answered.blamed_on_the_card()
        self._writer.answer(answered)
        if self._writer.is_many:
            self._has_answers.set()

    # ---- record

    async def _keep_recording(self) -> None:
        while not self._is_over:
            if not self._writer.is_many:
                await either(self._has_answers, TICK_SECONDS)
            self._has_answers.clear()
            if self._writer.is_due or not self._calls:
                await self._record_and_settle()
                # There may have been too many answers to ask on.
                self._ask()

    @property
    def _is_over(self) -> bool:
        has_more = self._is_claiming or (self.context.lifetime.may_claim and self._waiting.calls() > 0)
        return not (has_more or self._calls or self._writer)

    async def _record_and_settle(self) -> None:
        answered = self._writer.take_answers()
        settlements, given_up = self._writer.take_settlements()
        if answered:
            outcomes = await self.context.runtime.in_thread(self._record, answered)
            self._writer.recorded(answered)
            await self.context.runtime.in_thread(self._settle, answered, outcomes)
        if settlements:
            await self.context.runtime.in_thread(self._settle_without_call, settlements, given_up)

    def _record(self, answered: Sequence[Answered]) -> list[Outcome]:
        outcomes = record(self.check, [result for one in answered for result in one.results])
        gone = [card for one in answered if one.is_in_vain for card in one.call.cards]
        items.end(items.failed(gone, "the gateway gave no answer"))
        return self._fetcher.by_configs_in_force(outcomes)

    # ---- settle

    def _settle_without_call(self, settlements: Sequence[Settlement], given_up: Sequence[PolledCard]) -> None:
        items.end(items.failed(given_up, RESTING))
        self.in_flight.settle(settlements)

    def _settle(self, answered: Sequence[Answered], outcomes: Sequence[Outcome]) -> None:
        self.in_flight.settle(disposition.after(answered, outcomes, self.context.chance, time.time()))
        disposition.hasten(self.context.redis, outcomes)

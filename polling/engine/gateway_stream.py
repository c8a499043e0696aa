"""The stream of a check that calls gateways.

It claims, asks, records and settles concurrently, each step for different cards.
"""

import asyncio
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence

from cards.models import CheckType
from common.redis.semaphore import HeldSlots
from polling.checks.base import GatewayCheck, Outcome, Recorded
from polling.engine.admission import CALLS_PER_SLOT, Admission, Ahead
from polling.engine.ask import Answered, Asker, Call
from polling.engine.batch_writer import BatchWriter
from polling.engine.claim_batch import ClaimBatch
from polling.engine.disposition import (
    Disposal,
    Disposition,
    Moment,
    dispose_call,
    dispose_card,
    dispose_outcome,
    dispose_rested,
)
from polling.engine.fetch import Fetcher
from polling.engine.in_flight import InFlight
from polling.engine.local_queue import LocalQueue
from polling.engine.recording import record
from polling.engine.stream import TICK_SECONDS, EngineContext, Stream, either
from polling.engine.throttle.fair_share import FairShare
from polling.engine.throttle.throttle import Deferral, Slot
from polling.schedule import backoff
from polling.schedule.run_failures import RunFailures
from polling.schedule.schedule import Outlook, Schedule

# Calls are slow if they last longer than this many ticks on average.
SLOW_TICKS = 2
TRIAL_SECONDS = 2.0
# If this many cards wait to be recorded, PostgreSQL is slower than the gateways, so ask only about triggered
# cards.
MAX_UNRECORDED = 1000
# Hastened checks are spread over this time, so that cards that were read together are not all checked at
# once.
HASTEN_SECONDS = 5


class GatewayStream(Stream):
    """Claims cards ahead of their calls, keeps every slot busy, and records answers in batches."""

    max_slots = sys.maxsize

    def __init__(
        self, check: GatewayCheck, slots: HeldSlots, in_flight: InFlight, context: EngineContext
    ) -> None:
        super().__init__(check, slots, in_flight, context)
        self._asker = Asker(check, context.outgoing, context.throttle.failed_before)
        self._fetcher = Fetcher(check.type, redis=context.redis, in_flight=in_flight, chance=context.chance)
        self._admission = Admission(
            self._fetcher,
            throttle=context.throttle,
            call_seconds=self._asker.call_seconds,
            chance=context.chance,
        )
        self._queue = LocalQueue()
        self._calls: dict[asyncio.Task[None], tuple[Call, Slot]] = {}
        self._writer = BatchWriter()
        self._is_claiming, self._is_closed, self._is_trial = True, False, context.is_trial
        # Don't wait longer, because the gateway that is asked may hang.
        self._trial_ends_at = time.monotonic() + TRIAL_SECONDS
        self._has_room, self._has_answers = asyncio.Event(), asyncio.Event()
        self._triggered, self._begun, self._begun_last_tick = 0, 0, 0
        self._is_stuck = self._is_out_of_turn = False
        self._fair_share = FairShare(self._asker.is_slow)
        self._at_next_turn: asyncio.TimerHandle | None = None

    async def run_suspects(self) -> None:
        while self.context.lifetime.is_young and len(self.slots):
            batch = await self.context.runtime.in_thread(self._admission.claim_suspect)
            if batch is None:
                return
            self._line_up(batch)
            self._ask()
            while self._calls or (self._queue.calls() and self._may_ask and len(self.slots)):
                # Wait until the suspect's call has ended, even if the call has not begun yet, so that no
                # other card is checked at the same time.
                await asyncio.wait(self._calls or [asyncio.ensure_future(asyncio.sleep(TICK_SECONDS))])
            await self._write()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_writing())
                await self._keep_claiming()
        finally:
            await self.close()

    def tick(self, outlook: Outlook) -> None:
        self._triggered = outlook.triggered
        self._is_stuck = outlook.due > 0 and self._begun_last_tick * SLOW_TICKS < len(self._calls)
        self._ask()
        if outlook.cards:
            self._has_room.set()

    async def close(self) -> None:
        self._is_closed = True
        if self._at_next_turn:
            self._at_next_turn.cancel()
        self.cut_calls()
        while self._calls:
            await asyncio.wait(self._calls)
        self._asker.log_failures()

    def cut_calls(self) -> None:
        for task in self._calls:
            task.cancel()

    @property
    def is_working(self) -> bool:
        return bool(self._calls)

    def take_usage(self) -> int:
        begun, self._begun = self._begun, 0
        self._begun_last_tick = begun
        # If slots were kept free for other gateways, count all slots as used, so that the idle ones are not
        # given back.
        return max(begun + len(self._calls), len(self.slots) * self._fair_share.take_withheld())

    # ---- slots: `SlotReview` adjusts them for all gateway streams of a drain together

    def share_slots(self) -> None:
        """Divide the check type's slots among gateways again, because the total may have changed."""
        self._fair_share.update(self.waiting_by_gateway(), len(self.slots), self._admission.open_gateways)

    def slots_by_gateway(self) -> Counter[int]:
        """Return the number of slots that calls use or wait for, by gateway id."""
        return self._fair_share.slots(self.waiting_by_gateway())

    def waiting_by_gateway(self) -> Counter[int]:
        """Return how many calls wait, by gateway id."""
        return Counter(self._queue.calls_by_gateway())

    def defer(self, gateway_id: int) -> None:
        """Defer the waiting cards of a gateway that rests, or at which this drain has no slot."""
        rest, chance = self.context.throttle.rest_of(gateway_id), self.context.chance
        cards, moment = self._queue.drop(gateway_id), Moment(chance)
        if rest:
            self._writer.add_disposals(dispose_rested(card, rest, chance) for card in cards)
            return
        # A triggered card goes back to the front of the manual queue.
        self._writer.add_disposals(
            dispose_card(
                card, Disposition.GIVEN_BACK if card.claim.is_triggered else Disposition.BUSY, moment
            )
            for card in cards
        )

    # ---- claim

    async def _keep_claiming(self) -> None:
        while self.context.lifetime.may_claim:
            batch = await self._claim()
            if batch:
                if batch.claimed:
                    # Don't leave this to the tick, because a late tick on a busy machine would end the drain.
                    self.context.lifetime.note_work()
                self._line_up(batch)
                self._ask()
            if batch is None or batch.is_last:
                self._has_room.clear()
                await either(self._has_room, TICK_SECONDS)
        self._is_claiming = False

    async def _claim(self) -> ClaimBatch | None:
        slots, waiting = len(self.slots), self.waiting_by_gateway()
        calls = self._fair_share.lined_up(waiting)
        triggered = self._queue.triggered_calls_by_gateway()
        ahead, share_of = Ahead(waiting, triggered), self._fair_share.share_of
        in_thread = self.context.runtime.in_thread
        if self._is_trial and time.monotonic() < self._trial_ends_at:
            if self._calls or waiting or self._writer or not slots:
                return None
            return await in_thread(self._admission.claim, 1, ahead=ahead, share_of=share_of)
        if calls < slots:
            wanted = slots * CALLS_PER_SLOT - calls
            return await in_thread(self._admission.claim, wanted, ahead=ahead, share_of=share_of)
        if self._is_stuck and len({*self._fair_share.running, *waiting}) < len(self._admission.open_gateways):
            # Slow gateways use all slots. Claim more cards, because some of those that are due may belong to
            # idle gateways.
            self._is_stuck = False
            wanted = slots * CALLS_PER_SLOT
            return await in_thread(self._admission.claim_behind, wanted, ahead=ahead, share_of=share_of)
        if self._triggered and sum(triggered.values()) < slots:
            return await in_thread(self._admission.claim_triggered, slots, ahead=ahead, share_of=share_of)
        return None

    def _line_up(self, batch: ClaimBatch) -> None:
        self._writer.add_disposals(batch.disposals)
        for gateway, cards in batch.admitted:
            self._queue.add(gateway, cards)

    # ---- ask

    def _ask(self) -> None:
        """Begin calls as long as slots are free.

        Each call takes a slot of the check type first, then a slot at its gateway.
        """
        while self._may_ask and self.slots.begin():
            self._is_out_of_turn = False
            begun = self._queue.next(self._admit, only_triggered=self._writer.cards >= MAX_UNRECORDED)
            if begun is None:
                self.slots.end()
                if self._is_out_of_turn:
                    self._wait_for_turn()
                return
            self._begin(*begun)

    def _admit(self, gateway_id: int) -> Slot | None:
        """Take a slot at the gateway.

        Return None if the gateway is throttled, if it already uses its share, or if its calls would outlast
        the drain.
        """
        if self._asker.outlasts(gateway_id, self.context.lifetime.seconds_left):
            return None
        if not self._fair_share.may_begin(gateway_id):
            return None
        admitted = self.context.throttle.admit(gateway_id)
        self._is_out_of_turn = self._is_out_of_turn or admitted is Deferral.NO_TURN
        return admitted if isinstance(admitted, Slot) else None

    def _wait_for_turn(self) -> None:
        """Let `_ask` run again when the next turn at one of the gateways begins."""
        if self._at_next_turn:
            self._at_next_turn.cancel()
        wait = self.context.throttle.turn_in(self.waiting_by_gateway())
        self._at_next_turn = asyncio.get_running_loop().call_later(wait, self._ask) if wait else None

    @property
    def _may_ask(self) -> bool:
        # Limit calls for triggered cards as well, because all answers must be recorded before the drain can
        # end.
        has_room = self._writer.cards < 2 * MAX_UNRECORDED
        return self.context.lifetime.may_call and not self._is_closed and has_room

    def _begin(self, call: Call, slot: Slot) -> None:
        self._begun += 1
        self._fair_share.begin(call.gateway.pk)
        task = asyncio.create_task(self._call(call))
        self._calls[task] = (call, slot)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        """Free the slots of a call that has ended or was cancelled."""
        call, slot = self._calls.pop(task)
        self._fair_share.end(call.gateway.pk)
        self.slots.end()
        slot.release()
        self._ask()
        if not self._calls:
            # Don't wait for more answers, because no other call is running.
            self._has_answers.set()
        if self._fair_share.lined_up(self._queue.calls_by_gateway()) < len(self.slots):
            self._has_room.set()

    async def _call(self, call: Call) -> None:
        self._keep_or_repeat(await self._asker.ask(call))

    def _keep_or_repeat(self, answered: Answered) -> None:
        call = answered.call
        is_well = self._asker.is_well(call.gateway)
        self.context.throttle.record_call(
            call.gateway.pk, answered.tally(is_gateway_well=is_well), trouble=answered.trouble
        )
        if answered.has_failed and is_well:
            # The gateway answers other calls, so a card may be the cause of the failure. Ask again in halves
            # to find that card.
            if self.context.lifetime.may_call and not (call.is_repeat and len(call.cards) == 1):
                self._queue.repeat(call.halves())
                return
            if call.is_repeat and len(call.cards) == 1:
                answered = self._judge_alone(answered)
        self._writer.add_answer(answered)
        if self._writer.is_full:
            self._has_answers.set()

    def _judge_alone(self, answered: Answered) -> Answered:
        """Blame the card of a call that has failed alone, if the gateway answers others; otherwise doubt it."""
        gateway, card_id = answered.call.gateway, answered.call.cards[0].claim.card_id
        throttle = self.context.throttle
        if self._asker.has_answered(gateway) or throttle.is_blamed(gateway.pk, card_id):
            return answered.blamed_on_the_card()
        throttle.doubt(gateway.pk, card_id)
        return answered

    # ---- record and settle

    async def _keep_writing(self) -> None:
        while not self._is_over:
            if not self._writer.is_full:
                await either(self._has_answers, TICK_SECONDS)
            self._has_answers.clear()
            if self._writer.is_due or not self._calls:
                await self._write()
                # Calls may have been held back because of too many unrecorded answers. Try to begin them now.
                self._ask()

    @property
    def _is_over(self) -> bool:
        has_more = self._is_claiming or (self.context.lifetime.may_claim and self._queue.calls() > 0)
        return not (has_more or self._calls or self._writer)

    async def _write(self) -> None:
        answered, disposals = self._writer.take_answers(), self._writer.take_disposals()
        if answered:
            outcomes = await self.context.runtime.in_thread(self._record, answered)
            self._writer.recorded(answered)
            if self._is_trial and any(outcome.recorded is Recorded.ANSWER for outcome in outcomes):
                self._is_trial = False
                # Don't wait for the end of the run, because `/readyz` tells until then that runs fail.
                await self.context.runtime.in_thread(RunFailures(self.context.redis).forget)
            await self.context.runtime.in_thread(self._settle, answered, outcomes)
        if disposals:
            await self.context.runtime.in_thread(self.in_flight.dispose, disposals)

    def _record(self, answered: Sequence[Answered]) -> list[Outcome]:
        results = [result for answer in answered for result in answer.results]
        return self._fetcher.with_current_intervals(record(self.check, results))

    def _settle(self, answered: Sequence[Answered], outcomes: Sequence[Outcome]) -> None:
        calls = {
            card.claim: (answer.duration_ms, answer.call.gateway.pk)
            for answer in answered
            for card in answer.call.cards
        }
        moment = Moment(self.context.chance, now=time.time())
        disposals: list[Disposal] = [
            dispose_outcome(outcome, moment, *calls[outcome.card.claim]) for outcome in outcomes
        ]
        for answer in answered:
            if not answer.results:
                disposals += dispose_call(answer, self.context.chance)
        self.in_flight.dispose(disposals)
        self._hasten(outcomes)

    def _hasten(self, outcomes: Sequence[Outcome]) -> None:
        """Let the checks that these outcomes hasten fall due within HASTEN_SECONDS.

        If the process dies first, these checks fall due at their usual times.
        """
        by_type: dict[CheckType, list[tuple[int, float]]] = defaultdict(list)
        for outcome in outcomes:
            if outcome.hastens:
                card_id = outcome.card.claim.card_id
                by_type[outcome.hastens].append((card_id, HASTEN_SECONDS * backoff.phase(card_id)))
        for check_type, cards in by_type.items():
            Schedule(self.context.redis, check_type).hasten(cards)

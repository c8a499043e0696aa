"""Adjust how many slots a drain holds: slots of the check type of each stream, and slots at gateways."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from polling.engine.gateway_stream import GatewayStream
from polling.engine.orphan_rescue import OrphanRescue
from polling.engine.scale_out import ScaleOut, slots_wanted
from polling.engine.stream import EngineContext, Stream
from polling.schedule.schedule import Outlook, Schedule


class SlotsLostError(Exception):
    """Slots were lost, because Redis was flushed or this process was frozen until its leases expired.

    The claims of this process are void as well.
    """


@dataclass(frozen=True)
class SlotReview:
    """Takes more slots for streams that need them, and gives back slots that a stream does not need."""

    streams: Sequence[Stream]
    context: EngineContext
    scale_out: ScaleOut
    orphan_rescue: OrphanRescue

    async def run(self) -> list[Outlook]:
        """Adjust all slots; return the outlook of each stream.

        Raise SlotsLostError if slots were lost. Slots of check types and slots at gateways are adjusted in
        the same tick, because a call needs one of each.
        """
        in_thread, throttle = self.context.runtime.in_thread, self.context.throttle
        usages = [stream.take_usage() for stream in self.streams]
        outlooks = await in_thread(self._review_types, usages)
        calling = [stream for stream in self.streams if isinstance(stream, GatewayStream)]
        for stream in calling:
            stream.share_slots()
        slots = sum((stream.slots_by_gateway() for stream in calling), Counter[int]())
        waiting = sum((stream.waiting_by_gateway() for stream in calling), Counter[int]())
        await in_thread(throttle.review, slots, waiting)
        for gateway_id in slots:
            if throttle.rest_of(gateway_id) or not throttle.has_slot(gateway_id):
                for stream in calling:
                    stream.defer(gateway_id)
        return outlooks

    def _review_types(self, usages: Sequence[int]) -> list[Outlook]:
        """Adjust the slots of every check type; return the outlook of each. Blocks."""
        return [self._review_type(stream, usage) for stream, usage in zip(self.streams, usages, strict=True)]

    def _review_type(self, stream: Stream, usage: int) -> Outlook:
        lifetime, slots = self.context.lifetime, stream.slots
        outlook = Schedule(self.context.redis, stream.check.type).outlook()
        held = len(slots)
        occupancy = slots.verify()
        if len(slots) < held:
            raise SlotsLostError
        self.orphan_rescue.run(stream.check.type, occupancy)
        wanted = 0
        if lifetime.may_call:
            wanted = slots_wanted(
                held=held,
                usage=usage,
                has_work=outlook.cards > 0 or (outlook.suspects > 0 and lifetime.is_young),
                has_cards=len(stream.in_flight) > 0,
                share=min(stream.max_slots, self.scale_out.share(occupancy.limit or 0)),
                free=occupancy.free,
            )
        slots.shrink_to(wanted)
        kept = len(slots)
        slots.grow_to(wanted)
        if lifetime.is_up:
            self.scale_out.hand_over()
        elif stream.in_flight.claimed and outlook.due and occupancy.free > len(slots) - kept:
            # Don't wake other workers if this one claimed nothing: PostgreSQL may be down.
            self.scale_out.wake_another()
        return outlook

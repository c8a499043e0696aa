"""The simulated gateways' answers to each path of the contract, without HTTP."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from lab.simulator.clock import Clock
from lab.simulator.counter_faults import CounterFaults
from lab.simulator.fleet import CARRIERS, Cycle, SimulatedCarrier, counter_mb, cycle_of, verified_at

MAX_BATCH = 500
USAGE = "/v1/usage"
_ICCID = re.compile(r"[0-9A-F]{18,22}")
_CARRIERS = {carrier.code: carrier for carrier in CARRIERS}


class BadRequestError(ValueError):
    """The request violates the contract; the message says how."""


@dataclass
class SimulatedGateway:
    """The gateways of all carriers. They remember which cards were stopped, and take the time from `clock`.

    `counter_faults` change what they say about the usage of cards.

    Example::

        gateway = SimulatedGateway()
        gateway.answer("northwind", "/v1/usage", {"iccids": ["89860000000000000001"]})
    """

    clock: Clock = field(default_factory=Clock)
    counter_faults: CounterFaults = field(default_factory=lambda: CounterFaults(seed=0))
    _stopped: set[str] = field(default_factory=set)
    _done: dict[str, dict[str, str]] = field(default_factory=dict)
    _cycles: dict[str, Cycle] = field(default_factory=dict)

    def answer(self, code: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON with which the carrier `code` answers a call to `path`.

        Raise BadRequestError if the body violates the contract, and KeyError if carrier or path is unknown.
        """
        carrier = _CARRIERS[code]
        if path in ("/v1/stop", "/v1/start"):
            return {"code": 0, "data": self._switch(carrier, body, is_stop=path == "/v1/stop")}
        entry = {
            USAGE: self._usage,
            "/v1/realname-status": self._real_name,
            "/v1/status": self._status,
        }[path]
        return {"code": 0, "data": entry(carrier, _iccids(body))}

    def truth(self, iccid: str, *, at: datetime) -> dict[str, str] | None:
        """Return the true state of a card at a moment, or None if no carrier knows the card."""
        carrier = next((carrier for carrier in CARRIERS if _problem(carrier, iccid) is None), None)
        if carrier is None:
            return None
        return {
            "iccid": iccid,
            "carrier": carrier.code,
            "used_mb": str(counter_mb(iccid, cycle_of(carrier, at).counted(at))),
            "measured_at": at.isoformat(),
            "real_name_status": _real_name_status(iccid, at),
            "network_status": self._network_status(iccid),
        }

    def _usage(self, carrier: SimulatedCarrier, iccids: Sequence[str]) -> list[dict[str, str]]:
        now = self.clock()
        cycles, measured_at = self._cycle(carrier, now).counted(now), now.isoformat()
        if self.counter_faults:
            return [
                _entry(carrier, iccid) or self._usage_entry(iccid, *self._faulty(carrier, iccid, now))
                for iccid in iccids
            ]
        return [
            _entry(carrier, iccid) or self._usage_entry(iccid, counter_mb(iccid, cycles), measured_at)
            for iccid in iccids
        ]

    def _faulty(self, carrier: SimulatedCarrier, iccid: str, now: datetime) -> tuple[Decimal, str]:
        reading = self.counter_faults.read(carrier, iccid, f"/c/{carrier.code}{USAGE}", at=now)
        return reading.used_mb, reading.measured_at.isoformat()

    def _usage_entry(self, iccid: str, used_mb: Decimal, measured_at: str) -> dict[str, str]:
        return {
            "iccid": iccid,
            "used_mb": str(used_mb),
            "measured_at": measured_at,
            "network_status": self._network_status(iccid),
        }

    def _real_name(self, carrier: SimulatedCarrier, iccids: Sequence[str]) -> list[dict[str, str]]:
        now = self.clock()
        return [
            _entry(carrier, iccid) or {"iccid": iccid, "status": _real_name_status(iccid, now)}
            for iccid in iccids
        ]

    def _status(self, carrier: SimulatedCarrier, iccids: Sequence[str]) -> list[dict[str, str]]:
        return [
            _entry(carrier, iccid) or {"iccid": iccid, "network_status": self._network_status(iccid)}
            for iccid in iccids
        ]

    def _switch(self, carrier: SimulatedCarrier, body: dict[str, Any], *, is_stop: bool) -> dict[str, str]:
        iccid, key = body.get("iccid"), body.get("idempotency_key")
        if not isinstance(iccid, str) or not isinstance(key, str) or not key:
            raise BadRequestError("iccid and idempotency_key are required")
        if refused := _entry(carrier, iccid):
            return refused
        if key not in self._done:
            (self._stopped.add if is_stop else self._stopped.discard)(iccid)
            self._done[key] = {"iccid": iccid, "network_status": self._network_status(iccid)}
        return self._done[key]

    def _cycle(self, carrier: SimulatedCarrier, now: datetime) -> Cycle:
        # Cache the cycle, because computing it costs more than the rest of an answer.
        cycle = self._cycles.get(carrier.code)
        if cycle is None or not cycle.begin <= now < cycle.end:
            cycle = self._cycles[carrier.code] = cycle_of(carrier, now)
        return cycle

    def _network_status(self, iccid: str) -> str:
        return "stopped" if iccid in self._stopped else "online"


def _iccids(body: dict[str, Any]) -> Sequence[str]:
    iccids = body.get("iccids")
    if not isinstance(iccids, list) or not all(isinstance(iccid, str) for iccid in iccids):
        raise BadRequestError("iccids must be a list of strings")
    if not 1 <= len(iccids) <= MAX_BATCH:
        raise BadRequestError(f"iccids must hold 1 to {MAX_BATCH} entries")
    return iccids


def _entry(carrier: SimulatedCarrier, iccid: str) -> dict[str, str] | None:
    problem = _problem(carrier, iccid)
    return {"iccid": iccid, "error": problem} if problem else None


def _problem(carrier: SimulatedCarrier, iccid: str) -> str | None:
    if not _ICCID.fullmatch(iccid):
        return "invalid"
    return None if iccid.startswith(carrier.prefix) else "not_found"


def _real_name_status(iccid: str, at: datetime) -> str:
    return "verified" if at >= verified_at(iccid) else "unverified"

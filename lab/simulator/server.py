"""The simulator's server. Signed calls are below `/c/<carrier>`, and a control interface is below `/_sim`."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from carriers.clients.signing import Signer
from lab.simulator.authentication import Authenticator
from lab.simulator.calls import CallLog
from lab.simulator.clock import parse_clock, parse_moment
from lab.simulator.counter_faults import CounterFault, CounterFaults
from lab.simulator.fault_requests import parse_fault
from lab.simulator.faults import Fault, Faults
from lab.simulator.gateway import BadRequestError, SimulatedGateway
from lab.simulator.http import Answer, HttpProtocol, LateReply, Reply, Request
from lab.simulator.kinds import KINDS, Wait

CARRIER_PREFIX = "/c/"
CARDS_PREFIX = "/_sim/cards/"


class SimulatorServer:
    """One asyncio server that simulates all gateways. It accepts only calls that `signer` has signed.

    If a fault has a share below 1, `seed` decides which calls, cards or readings it hits.

    Example::

        server = SimulatorServer(Signer("demo", b"secret"))
        await server.start(8100)
        server.close()
    """

    def __init__(self, signer: Signer, *, seed: int = 0) -> None:
        self._authenticator = Authenticator(signer)
        self._gateway = SimulatedGateway(counter_faults=CounterFaults(seed=seed))
        self._calls = CallLog()
        self._faults = Faults(seed=seed)
        self._listening: list[asyncio.Server] = []
        self._connections: set[asyncio.Transport] = set()

    async def start(self, port: int) -> None:
        """Listen on `port` of 127.0.0.1 until `close`. Raise OSError if the port is taken."""
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(
            lambda: HttpProtocol(self.handle, self._connections), "127.0.0.1", port
        )
        self._listening.append(listening)

    def close(self) -> None:
        """Stop listening and close all connections."""
        for listening in self._listening:
            listening.close()
        for connection in list(self._connections):
            connection.abort()

    def handle(self, request: Request) -> Answer | LateReply:
        """Return the answer to a request. If a fault hits the request, return a late reply instead."""
        if request.target.startswith(CARRIER_PREFIX):
            return self._carrier(request)
        return self._control(request)

    def _control(self, request: Request) -> Answer:
        url = urlsplit(request.target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match (request.method, url.path):
            case ("GET", "/_sim/calls"):
                since = query.get("since", "0")
                lines = self._calls.lines(since=int(since) if since.isdecimal() else 0)
                return Answer(200, lines, "application/jsonl")
            case ("PUT", "/_sim/faults"):
                return self._put_fault(request.body)
            case ("GET", "/_sim/clock"):
                return self._clock()
            case ("PUT", "/_sim/clock"):
                return self._put_clock(request.body)
            case ("GET", path) if path.startswith(CARDS_PREFIX):
                return self._truth(path.removeprefix(CARDS_PREFIX), query.get("at"))
        return _json({"error": "there is nothing at this path"}, 404)

    def _carrier(self, request: Request) -> Answer | LateReply:
        path, body = request.target, request.body
        if request.method != "POST":
            return _json({"code": 405, "message": "only POST"}, 405)
        if not self._authenticator.accepts(request.headers, path=path, body=body, now=time.time()):
            return _json({"code": 401, "message": "bad signature"}, 401)
        try:
            payload = orjson.loads(body)
        except orjson.JSONDecodeError:
            payload = None
        if not isinstance(payload, dict):
            return _json({"code": 400, "message": "the body must be a JSON object"}, 400)
        faults = self._faults.draw(path)
        if faults:
            return self._faulty(path, payload, faults)
        begun = self._calls.begin()
        answer = self._answer(path, payload)
        self._calls.end(begun, path, _cards(payload))
        return answer

    @asynccontextmanager
    async def _faulty(self, path: str, payload: dict[str, Any], faults: list[Fault]) -> AsyncIterator[Reply]:
        begun, is_answered = self._calls.begin(), False
        try:
            for fault in faults:
                reply = KINDS[fault.kind](fault, lambda: self._answer(path, payload))
                if not isinstance(reply, Wait):
                    break
                await asyncio.sleep(reply.seconds)
            else:
                reply = self._answer(path, payload)
            yield reply
            is_answered = True
        finally:
            # If several faults hit the call, log the last fault that was applied.
            self._calls.end(begun, path, _cards(payload), fault=fault.kind, is_answered=is_answered)

    def _answer(self, path: str, payload: dict[str, Any]) -> Answer:
        code, _, rest = path.removeprefix(CARRIER_PREFIX).partition("/")
        try:
            return _json(self._gateway.answer(code, f"/{rest}", payload))
        except BadRequestError as error:
            return _json({"code": 400, "message": str(error)}, 400)
        except KeyError:
            return _json({"code": 404, "message": "no such carrier or path"}, 404)

    def _put_fault(self, body: bytes) -> Answer:
        try:
            fault = parse_fault(orjson.loads(body))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        match fault:
            case Fault():
                self._faults.put(fault)
            case CounterFault():
                self._gateway.counter_faults.put(fault, now=self._gateway.clock())
        return _json({"status": "ok"})

    def _clock(self) -> Answer:
        return _json({"now": self._gateway.clock().isoformat()})

    def _put_clock(self, body: bytes) -> Answer:
        try:
            self._gateway.clock.set(parse_clock(orjson.loads(body)))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        return self._clock()

    def _truth(self, iccid: str, at: str | None) -> Answer:
        try:
            moment = parse_moment(at, name="at") if at else self._gateway.clock()
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        found = self._gateway.truth(iccid, at=moment)
        return _json(found) if found else _json({"error": "no carrier has this card"}, 404)


def _cards(payload: dict[str, Any]) -> list[str]:
    cards = payload.get("iccids", [payload.get("iccid")])
    return [card for card in cards if isinstance(card, str)] if isinstance(cards, list) else []


def _json(body: object, status: int = 200) -> Answer:
    return Answer(status, orjson.dumps(body))

"""The simulator's HTTP: signed calls below `/c/<carrier>`, and what tests and operators ask below `/_sim`."""

import asyncio
import time
from datetime import datetime

import orjson
from aiohttp import web

from carriers.clients.signing import Signer
from carriers.simulator.admission import Admission
from carriers.simulator.calls import CallLog
from carriers.simulator.faults import Fault, FaultKind, Faults
from carriers.simulator.gateway import BadRequestError, SimulatedGateway

CARRIER_PREFIX = "/c/"


class SimulatorServer:
    """One asyncio server that plays all gateways."""

    def __init__(self, signer: Signer, *, seed: int = 0, gateway: SimulatedGateway | None = None) -> None:
        """`signer` is the account that calls must be signed with."""
        self._admission = Admission(signer)
        self._gateway = gateway or SimulatedGateway()
        self._calls = CallLog()
        self._faults = Faults(seed=seed)

    async def start(self, port: int) -> web.ServerRunner:
        """Listen on 127.0.0.1; `cleanup()` of what is returned ends it."""
        runner = web.ServerRunner(web.Server(self._handle, access_log=None))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.startswith(CARRIER_PREFIX):
            return await self._carrier(request)
        if request.path == "/_sim/calls" and request.method == "GET":
            since = request.query.get("since", "0")
            lines = self._calls.lines(since=int(since) if since.isdecimal() else 0)
            return web.Response(body=lines, content_type="application/jsonl")
        if request.path == "/_sim/faults" and request.method == "PUT":
            return await self._put_fault(request)
        if request.path.startswith("/_sim/cards/") and request.method == "GET":
            return self._truth(request)
        return _json({"error": "there is nothing at this path"}, 404)

    async def _carrier(self, request: web.BaseRequest) -> web.Response:
        body = await request.read()
        if request.method != "POST":
            return _json({"code": 405, "message": "only POST"}, 405)
        if not self._admission.admits(request.headers, path=request.raw_path, body=body, now=time.time()):
            return _json({"code": 401, "message": "bad signature"}, 401)
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError:
            asked = None
        if not isinstance(asked, dict):
            return _json({"code": 400, "message": "the body must be a JSON object"}, 400)
        cards = asked.get("iccids") or [asked.get("iccid")]
        with self._calls.running(request.path, cards):
            for fault in self._faults.drawn(request.path):
                if fault.kind is FaultKind.LATENCY:
                    await asyncio.sleep(fault.milliseconds / 1000)
                else:
                    return _json({"code": 500, "message": "a fault that was asked for"}, 500)
            return self._answer(request.path, asked)

    def _answer(self, path: str, asked: dict[str, object]) -> web.Response:
        code, _, rest = path.removeprefix(CARRIER_PREFIX).partition("/")
        try:
            return _json(self._gateway.answer(code, f"/{rest}", asked))
        except BadRequestError as error:
            return _json({"code": 400, "message": str(error)}, 400)
        except KeyError:
            return _json({"code": 404, "message": "no such carrier or path"}, 404)

    async def _put_fault(self, request: web.BaseRequest) -> web.Response:
        try:
            fault = Fault.parse(orjson.loads(await request.read()))
        except ValueError as error:
            return _json({"error": str(error)}, 400)
        self._faults.put(fault)
        return _json({"status": "ok"})

    def _truth(self, request: web.BaseRequest) -> web.Response:
        try:
            at = datetime.fromisoformat(request.query["at"]) if "at" in request.query else None
        except ValueError:
            return _json({"error": "at must be an RFC 3339 time"}, 400)
        iccid = request.path.removeprefix("/_sim/cards/")
        found = self._gateway.truth(iccid, at=at or self._gateway.clock())
        return _json(found) if found else _json({"error": "no carrier has this card"}, 404)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")

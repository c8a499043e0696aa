"""What is done to a running engine: its processes are killed, its servers restarted, a gateway falls sick."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

from lab.benchmark.proc import children_of
from lab.simulator.fleet import CARRIERS
from lab.stack.stack import Stack

SICK: Final = CARRIERS[0].code


@dataclass(frozen=True)
class Blow:
    """One act against a stack; `strike` says whether it struck: who is dead already cannot be killed.

    `heal` undoes it, if it does not heal by itself: what was killed is started again. `freezes`: a server stands still until then.
    """

    what: str
    strike: Callable[[Stack, Random], bool]
    heal: Callable[[Stack], object] = lambda _: None
    freezes: bool = False


def kill(service: str) -> Blow:
    """Kill -9 of a service with all that it has started."""
    return Blow(f"kill -9 of {service}", lambda stack, _: _signal_group(stack, service, signal.SIGKILL))


def kill_child(service: str) -> Blow:
    """Kill -9 of one of a worker's processes: its worker goes on, and starts another."""

    def strike(stack: Stack, chance: Random) -> bool:
        with suppress(ProcessLookupError, FileNotFoundError):
            if children := sorted(children_of(stack.pid(service))):
                os.kill(chance.choice(children), signal.SIGKILL)
                return True
        return False

    return Blow(f"kill -9 of a child of {service}", strike)


def end(service: str) -> Blow:
    """SIGTERM, as a deployment sends it."""
    return Blow(f"SIGTERM to {service}", lambda stack, _: _signal_group(stack, service, signal.SIGTERM))


def freeze(service: str) -> Blow:
    """It takes connections and does nothing, with all that it has started, until it is woken."""

    def signal_all(stack: Stack, number: signal.Signals) -> bool:
        # It may not be started again yet.
        with suppress(ProcessLookupError, FileNotFoundError):
            server = stack.pid(service)
            os.kill(server, number)
            # PostgreSQL's children lead groups of their own.
            for pid in children_of(server):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            return True
        return False

    def strike(stack: Stack, _: Random) -> bool:
        return signal_all(stack, signal.SIGSTOP)

    return Blow(f"freeze of {service}", strike, lambda stack: signal_all(stack, signal.SIGCONT), freezes=True)


def sicken(kind: str, *, milliseconds: int = 0) -> Blow:
    """Every call to one gateway meets a fault, until it is healed."""
    fault = {"path": f"/c/{SICK}", "kind": kind, **({"milliseconds": milliseconds} if milliseconds else {})}

    def strike(stack: Stack, _: Random) -> bool:
        stack.simulator.fault(**fault, share=1)
        return True

    return Blow(f"gateway of {SICK}: {kind}", strike, lambda stack: stack.simulator.fault(**fault, share=0))


KILLS: Final[Sequence[Blow]] = (
    kill("worker-checks"),
    kill_child("worker-checks"),
    kill_child("worker-checks"),
    end("worker-checks"),
    kill("worker-ticks"),
    kill("worker-background"),
    kill("beat"),
)
# PostgreSQL's SIGTERM waits until every client has gone; services stop it by SIGINT.
_STOP_POSTGRESQL = Blow(
    "fast shutdown of postgresql", lambda stack, _: _signal_group(stack, "postgresql", signal.SIGINT)
)
OUTAGES: Final[Sequence[Blow]] = (
    kill("valkey"),
    end("valkey"),
    freeze("valkey"),
    kill("postgresql"),
    _STOP_POSTGRESQL,
    freeze("postgresql"),
)
SICKNESSES: Final[Sequence[Blow]] = (
    *(sicken(kind) for kind in ("error", "timeout", "garbage", "truncate", "huge", "reset", "wrong_card")),
    sicken("drip"),
    sicken("retry_after"),
    sicken("latency", milliseconds=3000),
)


def _signal_group(stack: Stack, service: str, number: signal.Signals) -> bool:
    # It may have ended by itself, or not be started again yet.
    with suppress(ProcessLookupError, FileNotFoundError):
        os.killpg(stack.pid(service), number)
        return True
    return False

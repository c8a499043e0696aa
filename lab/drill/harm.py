"""The blows of a drill: killed processes, restarted and frozen servers, a gateway that fails."""

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

from lab.benchmark.process_stats import children_of
from lab.simulator.fleet import CARRIERS
from lab.stack.stack import Stack

SICK: Final = CARRIERS[0].code


@dataclass(frozen=True)
class Blow:
    """One act against a stack.

    `strike` returns False if there was nothing to hit: a dead process cannot be killed.

    `heal` undoes it; killed processes are restarted by the supervisor. `freezes`: a server is stopped until
    `heal`. Example::

        blow = kill("worker-checks")
        has_struck = blow.strike(stack, Random(1))
        blow.heal(stack)
    """

    what: str
    strike: Callable[[Stack, Random], bool]
    heal: Callable[[Stack], object] = lambda _: None
    freezes: bool = False


def kill(service: str) -> Blow:
    """Return a kill -9 of a service and all its children."""
    return Blow(f"kill -9 of {service}", lambda stack, _: _signal_group(stack, service, signal.SIGKILL))


def kill_child(service: str) -> Blow:
    """Return a kill -9 of one of a worker's child processes; the worker starts another."""

    def strike(stack: Stack, chance: Random) -> bool:
        # The service may not be running.
        with suppress(ProcessLookupError, FileNotFoundError):
            if children := sorted(children_of(stack.pid(service))):
                os.kill(chance.choice(children), signal.SIGKILL)
                return True
        return False

    return Blow(f"kill -9 of a child of {service}", strike)


def end(service: str) -> Blow:
    """Return a SIGTERM to a service, as a deployment sends it."""
    return Blow(f"SIGTERM to {service}", lambda stack, _: _signal_group(stack, service, signal.SIGTERM))


def freeze(service: str) -> Blow:
    """Return a freeze of a server and its children: until healed it accepts connections and does nothing."""

    def signal_all(stack: Stack, number: signal.Signals) -> bool:
        # The server may not be restarted yet.
        with suppress(ProcessLookupError, FileNotFoundError):
            server = stack.pid(service)
            os.kill(server, number)
            # PostgreSQL's children lead process groups of their own, so a signal to its group misses them.
            for pid in children_of(server):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            return True
        return False

    def strike(stack: Stack, _: Random) -> bool:
        return signal_all(stack, signal.SIGSTOP)

    return Blow(f"freeze of {service}", strike, lambda stack: signal_all(stack, signal.SIGCONT), freezes=True)


def sicken(kind: str, *, milliseconds: int = 0) -> Blow:
    """Return a fault of the simulator that hits every call to one carrier's gateway until it heals."""
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
# SIGINT is the fast shutdown that service managers use; on SIGTERM PostgreSQL waits for all clients.
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
    # The service may have ended, or may not be restarted yet.
    with suppress(ProcessLookupError, FileNotFoundError):
        os.killpg(stack.pid(service), number)
        return True
    return False

"""The blows of a drill. A blow is one fault that a drill injects into a running stack.

Blows kill processes, stop or freeze servers, and make a carrier's gateway fail.
"""

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
    """One fault that a drill can inject into a stack.

    `strike` injects the fault and returns True, or returns False if the target is not running. `heal` undoes
    the fault. After a kill, `heal` does nothing, because the supervisor restarts killed processes.
    `freezes` is True if the fault stops a server until `heal` is called. Example::

        blow = kill("worker-checks")
        has_struck = blow.strike(stack, Random(1))
        blow.heal(stack)
    """

    what: str
    strike: Callable[[Stack, Random], bool]
    heal: Callable[[Stack], object] = lambda _: None
    freezes: bool = False


def kill(service: str) -> Blow:
    """Return a blow that kills a service and all its children with SIGKILL."""
    return Blow(f"kill -9 of {service}", lambda stack, _: _signal_group(stack, service, signal.SIGKILL))


def kill_child(service: str) -> Blow:
    """Return a blow that kills one random child process of a worker with SIGKILL; the worker replaces it."""

    def strike(stack: Stack, chance: Random) -> bool:
        # The service may be down from an earlier blow.
        with suppress(ProcessLookupError, FileNotFoundError):
            if children := sorted(children_of(stack.pid(service))):
                os.kill(chance.choice(children), signal.SIGKILL)
                return True
        return False

    return Blow(f"kill -9 of a child of {service}", strike)


def end(service: str) -> Blow:
    """Return a blow that sends SIGTERM to a service, as a deployment does."""
    return Blow(f"SIGTERM to {service}", lambda stack, _: _signal_group(stack, service, signal.SIGTERM))


def freeze(service: str) -> Blow:
    """Return a blow that freezes a server. Until `heal`, the server accepts connections but never answers."""

    def signal_all(stack: Stack, number: signal.Signals) -> bool:
        # The server may be down from an earlier blow.
        with suppress(ProcessLookupError, FileNotFoundError):
            server = stack.pid(service)
            os.kill(server, number)
            # Each of PostgreSQL's children leads its own process group, so a signal to the server's group
            # would not reach them.
            for pid in children_of(server):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            return True
        return False

    def strike(stack: Stack, _: Random) -> bool:
        return signal_all(stack, signal.SIGSTOP)

    return Blow(f"freeze of {service}", strike, lambda stack: signal_all(stack, signal.SIGCONT), freezes=True)


def sicken(kind: str, *, milliseconds: int = 0) -> Blow:
    """Return a blow that applies the fault `kind` to all calls to the gateway of `SICK`, until `heal`."""
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
# Service managers stop PostgreSQL with SIGINT. On SIGTERM, it would wait for all clients to disconnect.
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
    # The service may be down from an earlier blow.
    with suppress(ProcessLookupError, FileNotFoundError):
        os.killpg(stack.pid(service), number)
        return True
    return False

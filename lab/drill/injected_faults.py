"""The faults that a drill can inject into a running stack.

They kill processes, stop or freeze servers, or make a carrier's gateway fail.
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
class InjectedFault:
    """One fault that a drill can inject into a stack.

    `inject` injects the fault and returns True, or returns False if the target is not running. `heal` undoes
    the fault. It does nothing if the fault ended a process, because the supervisor restarts the process.
    `freezes` is True if the fault freezes a server until `heal` is called. Example::

        fault = kill("worker-checks")
        was_injected = fault.inject(stack, Random(1))
        fault.heal(stack)
    """

    what: str
    inject: Callable[[Stack, Random], bool]
    heal: Callable[[Stack], object] = lambda _: None
    freezes: bool = False


def kill(service: str) -> InjectedFault:
    """Return a fault that kills all processes in a service's process group with SIGKILL."""
    return InjectedFault(
        f"kill -9 of {service}", lambda stack, _: _signal_group(stack, service, signal.SIGKILL)
    )


def kill_child(service: str) -> InjectedFault:
    """Return a fault that kills one random child process of a worker with SIGKILL; the worker replaces it."""

    def inject(stack: Stack, chance: Random) -> bool:
        # The service may be down because of an earlier fault.
        with suppress(ProcessLookupError, FileNotFoundError):
            if children := sorted(children_of(stack.pid(service))):
                os.kill(chance.choice(children), signal.SIGKILL)
                return True
        return False

    return InjectedFault(f"kill -9 of a child of {service}", inject)


def end(service: str) -> InjectedFault:
    """Return a fault that sends SIGTERM to a service, as a deployment does."""
    return InjectedFault(
        f"SIGTERM to {service}", lambda stack, _: _signal_group(stack, service, signal.SIGTERM)
    )


def freeze(service: str) -> InjectedFault:
    """Return a fault that freezes a server: until `heal`, it accepts connections but never answers."""

    def signal_all(stack: Stack, number: signal.Signals) -> bool:
        # The server may be down because of an earlier fault.
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

    def inject(stack: Stack, _: Random) -> bool:
        return signal_all(stack, signal.SIGSTOP)

    return InjectedFault(
        f"freeze of {service}", inject, lambda stack: signal_all(stack, signal.SIGCONT), freezes=True
    )


def sicken(kind: str, *, milliseconds: int = 0) -> InjectedFault:
    """Return a fault that applies the simulator's fault `kind` to all calls to the carrier `SICK`."""
    fault = {"path": f"/c/{SICK}", "kind": kind, **({"milliseconds": milliseconds} if milliseconds else {})}

    def inject(stack: Stack, _: Random) -> bool:
        stack.simulator.fault(**fault, share=1)
        return True

    return InjectedFault(
        f"gateway of {SICK}: {kind}", inject, lambda stack: stack.simulator.fault(**fault, share=0)
    )


KILLS: Final[Sequence[InjectedFault]] = (
    kill("worker-checks"),
    kill_child("worker-checks"),
    kill_child("worker-checks"),
    end("worker-checks"),
    kill("worker-ticks"),
    kill("worker-background"),
    kill("beat"),
)
# Service managers stop PostgreSQL with SIGINT. On SIGTERM, it would wait for all clients to disconnect.
_STOP_POSTGRESQL = InjectedFault(
    "fast shutdown of postgresql", lambda stack, _: _signal_group(stack, "postgresql", signal.SIGINT)
)
OUTAGES: Final[Sequence[InjectedFault]] = (
    kill("valkey"),
    end("valkey"),
    freeze("valkey"),
    kill("postgresql"),
    _STOP_POSTGRESQL,
    freeze("postgresql"),
)
SICKNESSES: Final[Sequence[InjectedFault]] = (
    *(sicken(kind) for kind in ("error", "timeout", "garbage", "truncate", "huge", "reset", "wrong_card")),
    sicken("drip"),
    sicken("retry_after"),
    sicken("latency", milliseconds=3000),
)


def _signal_group(stack: Stack, service: str, number: signal.Signals) -> bool:
    # The service may be down because of an earlier fault.
    with suppress(ProcessLookupError, FileNotFoundError):
        os.killpg(stack.pid(service), number)
        return True
    return False

"""Decode requests to turn faults on and off, and refuse invalid ones."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from lab.simulator.counter_faults import DEFAULT_HOURS, MAX_HOURS, CounterFault, CounterFaultKind
from lab.simulator.faults import DEFAULT_MILLISECONDS, MAX_MILLISECONDS, Fault, FaultKind


def parse_fault(body: object) -> Fault | CounterFault:
    """Return the fault that the JSON `body` of a request describes.

    If `body` is invalid, raise ValueError with a message for the sender.
    """
    if not isinstance(body, Mapping):
        raise ValueError("the body must be a JSON object")  # noqa: TRY004 (one type for bad input)
    kind = body.get("kind")
    if not isinstance(kind, str) or kind not in _PARSERS:
        raise ValueError(f"kind must be one of {', '.join(_PARSERS)}")
    path = body.get("path")
    if not isinstance(path, str) or not path.startswith("/"):
        raise ValueError("path must begin with /")
    return _PARSERS[kind](body, path)


def _call_fault(body: Mapping[str, Any], path: str) -> Fault:
    _refuse_unknown_fields(body, Fault)
    kind = FaultKind(body["kind"])
    milliseconds = _number(body, "milliseconds", DEFAULT_MILLISECONDS.get(kind, 0), MAX_MILLISECONDS)
    return Fault(path, kind, _share(body), int(milliseconds))


def _counter_fault(body: Mapping[str, Any], path: str) -> CounterFault:
    _refuse_unknown_fields(body, CounterFault)
    kind = CounterFaultKind(body["kind"])
    return CounterFault(
        path, kind, _share(body), _number(body, "hours", DEFAULT_HOURS.get(kind, 0), MAX_HOURS)
    )


# Kind -> the function that decodes a request to turn on a fault of this kind.
_PARSERS: dict[str, Callable[[Mapping[str, Any], str], Fault | CounterFault]] = {
    **{kind.value: _call_fault for kind in FaultKind},
    **{kind.value: _counter_fault for kind in CounterFaultKind},
}


def _refuse_unknown_fields(body: Mapping[str, Any], fault: type[Fault | CounterFault]) -> None:
    if unknown := sorted(body.keys() - {field.name for field in fields(fault)}):
        raise ValueError(f"there is no field {unknown[0]} for the kind {body['kind']}")


def _share(body: Mapping[str, Any]) -> float:
    return _number(body, "share", default=1, maximum=1)


def _number(body: Mapping[str, Any], name: str, default: float, maximum: float) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= maximum:
        raise ValueError(f"{name} must be a number from 0 to {maximum}")
    return value

"""Search the logs of a stack for tracebacks that the operations manual does not promise."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
TRACEBACK: Final = "Traceback (most recent call last):"
SHOWN_CHARACTERS: Final = 3000
_ROW: Final = re.compile(r"^\| `([a-z_]+)` \|.*traceback.*$", re.MULTILINE | re.IGNORECASE)
_EVENT: Final = re.compile(r"^\d{4}-\d\d-\d\dT\S+ \[\w+ *\] (\S+)", re.MULTILINE)


def events_with_traceback() -> set[str]:
    """Return the log events of which docs/operations.md says that a traceback follows."""
    return set(_ROW.findall((ROOT / "docs" / "operations.md").read_text()))


def unexplained(log: str) -> Iterator[str]:
    """Yield each traceback that does not follow one of `events_with_traceback`, with the lines around it.

    Example::

        assert list(unexplained(stack.log("worker-checks"))) == []
    """
    known = events_with_traceback()
    # The first part precedes all events: a process that fails at its start prints no event.
    starts = [0, *(match.start() for match in _EVENT.finditer(log)), len(log)]
    for start, end in pairwise(starts):
        event = _EVENT.match(log, start)
        if TRACEBACK in log[start:end] and (event is None or event[1] not in known):
            yield log[start:end][:SHOWN_CHARACTERS]

"""Loaded into a real worker by `celery --include`: one of its processes freezes before it records answers.

It is the first process that finds the file `FREEZES_AT`. It renames the file: the suffix is its process id.
"""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from cards.models import CheckType
from polling.checks.base import Check, Outcome, Result
from polling.engine import recording

FREEZES_AT = Path(os.environ["FREEZES_AT"])
_write = recording._write


def _freeze_before_write(check: Check, results: Sequence[Result]) -> list[Outcome]:
    if check.type is CheckType.DATA_USAGE and _is_chosen():
        os.kill(os.getpid(), signal.SIGSTOP)
    return _write(check, results)


def _is_chosen() -> bool:
    # A rename succeeds in one process only.
    try:
        FREEZES_AT.rename(FREEZES_AT.with_suffix(f".{os.getpid()}"))
    except FileNotFoundError:
        return False
    return True


recording._write = _freeze_before_write

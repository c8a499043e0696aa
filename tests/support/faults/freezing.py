"""Freeze one process of a real worker before it records answers; `celery --include` loads this module.

The first process that finds the file `FREEZES_AT` freezes. Before it freezes, the process renames the file,
so that the file's suffix is the process id.
"""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from threading import RLock, get_ident

from cards.models import CheckType
from polling.checks.base import Outcome, Result
from polling.engine import recording

FREEZES_AT = Path(os.environ["FREEZES_AT"])
_write = recording.Batch.write
_one_write = RLock()


def _freeze_before_write(batch: recording.Batch, results: Sequence[Result]) -> list[Outcome]:
    # One write at a time: PostgreSQL would end a connection that is frozen in the middle of a transaction.
    with _one_write:
        if batch.check.type is CheckType.DATA_USAGE and _is_chosen():
            # Signal this thread: another thread could take a signal to the process, while this one goes on to write.
            signal.pthread_kill(get_ident(), signal.SIGSTOP)
        return _write(batch, results)


def _is_chosen() -> bool:
    # Only one process can rename the file, so only one process freezes.
    try:
        FREEZES_AT.rename(FREEZES_AT.with_suffix(f".{os.getpid()}"))
    except FileNotFoundError:
        return False
    return True


setattr(recording.Batch, "write", _freeze_before_write)  # noqa: B010 (mypy refuses to assign to a method)

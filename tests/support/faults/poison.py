"""End a worker's process when it parses the answer about one card; `celery --include` loads this module."""

import os

from carriers.clients import json_contract

POISON = os.environ["POISON_ICCID"]
_usage = json_contract._usage


def _exit_at_poison(entry: dict[str, object] | None) -> object:
    if entry and entry.get("iccid") == POISON:
        os._exit(3)
    return _usage(entry)


json_contract._usage = _exit_at_poison  # type: ignore[assignment]

"""Helpers that trigger checks over the API."""

from typing import Any

from redis import Redis

from polling.schedule import keys
from tests.support.api_calls import Caller

SINGLE, BATCH, CONDITION = (f"polling-manual-trigger/{kind}" for kind in ("single", "batch", "by-condition"))
STATUS, HISTORY, CANCEL = (f"polling-manual-trigger/{name}" for name in ("status", "history", "cancel"))


def accepted(caller: Caller, path: str, **body: Any) -> dict[str, Any]:
    """Trigger a check, by default data usage. Assert that the status is 202, and return the JSON answer."""
    answer = caller.post(path, {"task_type": "carddata", **body})
    assert answer.status_code == 202, answer.content
    return dict(answer.json())


def hints(redis: Redis, check_type: str = "carddata") -> list[int]:
    """Return the card ids in the manual queue, in the order in which workers receive them."""
    return [int(card) for card in redis.lrange(keys.manual(check_type), 0, -1)]

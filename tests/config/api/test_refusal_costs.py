"""A request that is refused costs little, however large it is."""

import json
import time
import tracemalloc
from typing import Any

import pytest
from redis import Redis

from tests.config.api.test_access import TABLE
from tests.support.api_calls import Caller

pytestmark = pytest.mark.django_db
# Bodies of almost 2 MB, the largest that are read.
BODIES: dict[str, Any] = {
    "unknown fields": {f"x{number}": 1 for number in range(150_000)},
    "a long list": {"card_ids": ["x"] * 390_000, "task_type": "carddata"},
    "a long name": {"x" * 1_900_000: 1},
    "long values": dict.fromkeys(
        (
            "name",
            "code",
            "username",
            "password",
            "reason",
            "description",
            "base_url",
            "time_zone",
            "task_type",
        ),
        "x" * 200_000,
    ),
    "objects instead of values": {
        name: [{}] * 150_000
        for name in ("name", "task_type", "card_ids", "card_id", "carrier_id", "credentials")
    },
}
# Without limits, they would take 10 s and 500 MB.
MAX_CPU_SECONDS = 1.0
MAX_BYTES = 120_000_000
MAX_ANSWER_BYTES = 16_000


@pytest.mark.parametrize("kind", BODIES)
def test_refused_body_costs_little_on_every_path(redis: Redis, kind: str) -> None:
    administrator = Caller.of("administrator")
    body = json.dumps(BODIES[kind]).encode()
    # PATCH does the same as PUT.
    paths = sorted((path, method) for path, method in TABLE if method in {"POST", "PUT"})

    for path, method in paths:
        began = time.process_time()
        answer = administrator.send(method.lower(), path, body)
        took = time.process_time() - began

        assert 400 <= answer.status_code < 500, (method, path)
        assert len(answer.content) < MAX_ANSWER_BYTES, (method, path)
        assert took < MAX_CPU_SECONDS, (method, path)


@pytest.mark.parametrize("kind", BODIES)
def test_refused_batch_needs_little_memory(redis: Redis, kind: str) -> None:
    administrator = Caller.of("administrator")
    body = json.dumps(BODIES[kind]).encode()
    administrator.post("polling-manual-trigger/batch", body)

    tracemalloc.start()
    administrator.post("polling-manual-trigger/batch", body)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < MAX_BYTES

"""Errors of background work are logged on one line."""

import asyncio
import gc

import pytest
from redis.exceptions import ConnectionError as NoConnectionError

from common.http.outgoing import Outgoing
from polling.engine.runtime import WorkerRuntime


@pytest.mark.parametrize("error", [NoConnectionError("connection refused"), KeyError("x")])
@pytest.mark.parametrize("kind", ["task", "job"])
def test_error_of_a_background_job_is_one_line(
    runtime: WorkerRuntime, caplog: pytest.LogCaptureFixture, error: Exception, kind: str
) -> None:
    def fail() -> None:
        raise error

    async def fail_alone() -> None:
        raise error

    async def use(_: Outgoing) -> None:
        begun = asyncio.ensure_future(fail_alone() if kind == "task" else runtime.in_thread(fail))
        await asyncio.wait([begun])

    runtime.run(use)
    gc.collect()

    (record,) = [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
    assert "background_error" in str(record.msg)
    assert record.exc_info is None
    assert ("Redis does not answer" if isinstance(error, NoConnectionError) else "KeyError") in str(
        record.msg
    )

"""A short run of all drills together, by the command that an operator types."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes(seconds=200)
ROOT = Path(__file__).resolve().parents[3]


def test_every_promise_is_kept_in_a_drill_of_everything(tmp_path: Path) -> None:
    done = subprocess.run(
        (
            sys.executable, "manage.py", "drill", "everything", "--seconds=60", "--every=4", "--cards=800", "--rate=25",
            f"--seed={datetime.now(UTC).microsecond}", "--json",
        ),
        cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False, capture_output=True, text=True, timeout=400,
    )  # fmt: skip

    print(done.stdout)
    # The beginning of stderr says what went wrong; the logs of all processes follow.
    assert done.returncode == 0, done.stdout + done.stderr[:3000]
    found = json.loads(done.stdout)
    assert found["passed"]
    # All promises but the rate of answers, which needs a longer drill.
    assert len(found["findings"]) == 15
    # No blow is repeated before each has come once; the seed decides which come in this minute.
    assert len(found["blows"]) >= 11

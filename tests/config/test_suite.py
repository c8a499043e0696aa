"""The suite repeats failed tests and returns the right exit code. Each case runs it on one small file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes(seconds=15)
ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
from pathlib import Path
from tests.support import suite

folder = Path(sys.argv[1])
suite.FLAKY_FILE = folder / "flaky.txt"
suite.ROOT = folder
suite.PARTS = {"all": [suite.Part("small tests", ("-q", "-n2", "-p", "tests.support.results", str(folder)))]}
sys.exit(suite.main("all"))
"""
PASSING = "def test_passing(): pass\n"
FAILING = "def test_failing(): assert False, 'always'\n"
FLAKY = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_flaky(number):
    mark = Path(__file__).with_name(f"ran-{{number}}")
    has_run, _ = mark.exists(), mark.touch()
    assert has_run, "the first time"
"""
BROKEN = "import no_such_module\n"


@pytest.mark.parametrize(
    ("content", "code", "printed"),
    [
        (PASSING, 0, "1 passed"),
        (FAILING, 1, "1 tests failed twice"),
        (FLAKY.format(count=2), 0, "2 flaky tests failed, then passed"),
        (FLAKY.format(count=3), 1, "more than 2 tests are flaky"),
        (BROKEN, 2, "pytest itself failed"),
    ],
    ids=["passing", "failing", "two flaky", "three flaky", "broken"],
)
def test_suite_repeats_failed_tests(tmp_path: Path, content: str, code: int, printed: str) -> None:
    (tmp_path / "test_small.py").write_text(content)
    if content == BROKEN:
        # A flaky test in one module must not hide that another module cannot be imported.
        (tmp_path / "test_flaky.py").write_text(FLAKY.format(count=1))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    done = subprocess.run(
        (sys.executable, "-c", SCRIPT, str(tmp_path)),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip

    assert (done.returncode, printed in done.stdout) == (code, True), done.stdout + done.stderr
    if "flaky" in printed:
        assert "the first time" in (tmp_path / "flaky.txt").read_text()

"""Run the suite and repeat failed tests: `python -m tests.support.suite [quick | long]`, as in `bin/test`.

Tests of real processes run after the others. They mostly wait, so several of them run at the same time.

A failed test is run once more by itself at the end. If it passes then, it is flaky, and the output of its
failure is printed and kept in `.run/flaky-tests.txt`. More than two flaky tests fail the run. The exit code
is 0 if the run passed, 1 if it failed, and 2 if pytest itself failed.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FLAKY_FILE: Final = ROOT / ".run" / "flaky-tests.txt"
MAX_FLAKY: Final = 2
# More failures than this are probably not flaky, and repeating each by itself would take too long.
MAX_REPEATED: Final = 10
# How many tests of real processes run at the same time. A slow machine may need a smaller number.
STACKS: Final = os.environ.get("STACKS_AT_ONCE", "4")
# How many of the other tests run at the same time. It may exceed the number of processors, because many of
# these tests wait for timers.
PLAIN: Final = "5"
PROCESSES_MARK: Final = "faults or processes"
PASSED, FAILED = 0, 1
PROGRESS_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Part:
    """A part of the suite, which one call of pytest runs: its title and the arguments of pytest."""

    title: str
    arguments: Sequence[str]


def _plain() -> Part:
    arguments = (f"-n{PLAIN}", "--dist=worksteal", "--mixed", "-m", f"not ({PROCESSES_MARK})")
    return Part("tests without real processes", arguments)


PARTS: Final = {
    "quick": [_plain()],
    "all": [_plain(), Part("tests of real processes", (f"-n{STACKS}", "-m", PROCESSES_MARK))],
    "long": [Part("long forms", ("-n2", "--long", "-m", "long_form"))],
}


class Run:
    """A running part. Its output, failures and names of finished tests are written to `folder`."""

    def __init__(self, part: Part, folder: Path) -> None:
        folder.mkdir()
        self.part = part
        self._folder = folder
        with (folder / "output").open("wb") as output:
            self.process = subprocess.Popen(
                _pytest(*part.arguments, f"--results-folder={folder}"),
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def finished(self) -> int:
        """Return the number of finished tests."""
        file = self._folder / "finished"
        return file.read_text().count("\n") if file.exists() else 0

    def failures(self) -> dict[str, str]:
        """Return a dict from each failed test to its output, including that of a failed setup or teardown."""
        file = self._folder / "failures"
        lines = file.read_text().splitlines() if file.exists() else []
        outputs: dict[str, str] = {}
        for failure in map(json.loads, lines):
            outputs[failure["test"]] = outputs.get(failure["test"], "") + failure["output"] + "\n"
        return outputs

    def has_worked(self) -> bool:
        """Return whether pytest imported all modules, and either passed or reported which tests failed."""
        code = self.process.returncode
        is_broken = (self._folder / "broken").exists()
        return not is_broken and (code == PASSED or (code == FAILED and bool(self.failures())))

    def print_output(self) -> None:
        """Print everything that pytest has printed."""
        print(f"\n== {self.part.title}", flush=True)
        sys.stdout.buffer.write((self._folder / "output").read_bytes())
        sys.stdout.flush()


def main(form: str) -> int:
    """Run the parts of `form`, repeat the failed tests, and return the exit code."""
    # Without this, SIGTERM would end this process alone: the parts and their servers would run on.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    FLAKY_FILE.unlink(missing_ok=True)
    failures: dict[str, str] = {}
    with TemporaryDirectory(prefix="simwatch-suite-") as folder:
        for number, part in enumerate(PARTS[form]):
            with _running(part, Path(folder) / str(number)) as running:
                _wait(running)
                running.print_output()
                if not running.has_worked():
                    print("\npytest itself failed; its output above says why")
                    return 2
                failures |= running.failures()
    return _repeat(failures, is_long=form == "long")


@contextmanager
def _running(part: Part, folder: Path) -> Iterator[Run]:
    """Start a part, and end it if it still runs when the block ends, for example after Ctrl-C."""
    running = Run(part, folder)
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait()


def _wait(run: Run) -> None:
    """Wait until the run has ended, and print its progress."""
    printed_at = started_at = time.monotonic()
    while run.process.poll() is None:
        time.sleep(0.2)
        if time.monotonic() - printed_at >= PROGRESS_SECONDS:
            printed_at = time.monotonic()
            print(
                f"{printed_at - started_at:4.0f} s  finished: {run.finished():,} {run.part.title}", flush=True
            )


def _repeat(failures: dict[str, str], *, is_long: bool) -> int:
    """Run each failed test once more by itself, report flaky tests, and return the suite's exit code."""
    if len(failures) > MAX_REPEATED:
        print(f"\n{len(failures)} tests failed. Only up to {MAX_REPEATED} failed tests are repeated.")
        return FAILED
    flaky: list[str] = []
    failed: list[str] = []
    for test in failures:
        print(f"\n== repeated by itself: {test}", flush=True)
        command = _pytest(test, *(["--long"] if is_long else []))
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        (flaky if code == PASSED else failed).append(test)
    if flaky:
        FLAKY_FILE.parent.mkdir(exist_ok=True)
        FLAKY_FILE.write_text("\n\n".join(f"{test}\n{failures[test]}" for test in flaky))
        print(f"\n{FLAKY_FILE.read_text()}\n")
        print(f"{len(flaky)} flaky tests failed, then passed by themselves ({FLAKY_FILE.relative_to(ROOT)}):")
        print(*(f"  {test}" for test in flaky), sep="\n")
    if failed:
        print(f"{len(failed)} tests failed twice:", *(f"  {test}" for test in failed), sep="\n")
    if len(flaky) > MAX_FLAKY:
        print(f"The run fails because more than {MAX_FLAKY} tests are flaky. Find out what makes them flaky.")
    return FAILED if failed or len(flaky) > MAX_FLAKY else PASSED


def _pytest(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pytest", *arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "all"))

"""Run the suite and repeat failed tests: `python -m tests.support.suite [quick | long]`, as in `bin/test`.

Tests of real processes mostly wait, so several of them run beside the other tests, which have a lower priority.

A failed test is run once more by itself at the end. If it passes then, it is flaky, and its first output is printed
and kept in `.run/flaky-tests.txt`. More than two flaky tests fail the run. The exit code is 0 or 1, or 2 if pytest
itself failed.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
FLAKY_FILE: Final = ROOT / ".run" / "flaky-tests.txt"
MAX_FLAKY: Final = 2
# How many tests of real processes run at the same time. A slow machine may need a smaller number.
STACKS: Final = os.environ.get("STACKS_AT_ONCE", "5")
# How many of the other tests run at the same time. Some of them wait for timers, so this number may exceed
# the number of processors.
PLAIN: Final = "4"
PROCESSES_MARK: Final = "faults or processes"
PASSED, FAILED, NO_TESTS = 0, 1, 5
STEP_BACK: Final = ("nice", "-n", "5")
EVENLY: Final = ("--dist=load", "--maxschedchunk=1")


@dataclass(frozen=True)
class Part:
    """One run of pytest. The words of `prefix`, such as `nice`, are put before its command."""

    title: str
    arguments: Sequence[str]
    prefix: Sequence[str] = ()


QUICK: Final = Part("tests without real processes", (f"-n{PLAIN}", *EVENLY, "-m", f"not ({PROCESSES_MARK})"))
PARTS: Final = {
    "quick": [QUICK],
    "all": [
        Part("tests of real processes", (f"-n{STACKS}", "-m", PROCESSES_MARK)),
        Part(QUICK.title, QUICK.arguments, STEP_BACK),
    ],
    # Benchmarks measure times, so no other part may run beside them.
    "long": [Part("long forms", ("-n2", "--long", "-m", "long_form"))],
}


def main(form: str) -> int:
    """Run all parts of `form` side by side, repeat the failed tests, and return the exit code."""
    with TemporaryDirectory(prefix="simwatch-suite-") as folder:
        started = [_start(part, Path(folder) / str(number)) for number, part in enumerate(PARTS[form])]
        codes = [_finish(*run) for run in started]
        failures = _failures(Path(folder))
        if any(code not in {PASSED, FAILED, NO_TESTS} for code in codes):
            return 2
        is_broken = any(code != PASSED for code in codes) and not failures
        return 1 if is_broken else _repeat(failures, is_long=form == "long")


def _start(part: Part, folder: Path) -> tuple[Part, Path, subprocess.Popen[bytes]]:
    folder.mkdir()
    command = (*part.prefix, *_pytest(*part.arguments, f"--failures-file={folder / 'failures'}"))
    print(f"== {part.title}", flush=True)
    return (
        part,
        folder,
        subprocess.Popen(command, cwd=ROOT, stdout=(folder / "output").open("wb"), stderr=subprocess.STDOUT),
    )


def _finish(part: Part, folder: Path, process: subprocess.Popen[bytes]) -> int:
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    print(f"\n== {part.title}", flush=True)
    sys.stdout.buffer.write((folder / "output").read_bytes())
    sys.stdout.flush()
    return code


def _failures(folder: Path) -> dict[str, str]:
    """Return a dict from each failed test to its output."""
    lines = [line for file in sorted(folder.glob("*/failures")) for line in file.read_text().splitlines()]
    return {failure["test"]: failure["output"] for failure in map(json.loads, lines)}


def _repeat(failures: dict[str, str], *, is_long: bool) -> int:
    """Run each failed test once more by itself, report flaky tests, and return the suite's exit code."""
    FLAKY_FILE.unlink(missing_ok=True)
    flaky: list[str] = []
    failed: list[str] = []
    for test in failures:
        print(f"\n== repeated by itself: {test}", flush=True)
        code = subprocess.run(
            _pytest(test, *(["--long"] if is_long else [])), cwd=ROOT, check=False
        ).returncode
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
        print(
            f"The run fails because there are more than {MAX_FLAKY} flaky tests. Find out what makes them flaky."
        )
    return FAILED if failed or len(flaky) > MAX_FLAKY else PASSED


def _pytest(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pytest", *arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "all"))

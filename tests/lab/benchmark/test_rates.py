"""What the benchmark makes of what it reads. Pure."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest

from lab.benchmark.findings import TARGETS, Findings
from lab.benchmark.measures.registry import MEASURES
from lab.benchmark.proc import ProcessStat, family, parse_stat
from lab.benchmark.rates import Window, per_thousand, percentile, smaller, steady_rate
from lab.benchmark.report import report, table
from lab.benchmark.run import asked, ready_at

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STAT = "4242 (a (b) c) S 17 4242 4242 0 -1 4194560 1 2 3 4 700 20 300 4 20 0 1 0 12345 1000 200 0 0"
# As docs/benchmark.md and the table of targets have them.
KEYS = {
    "baseline_ratio",
    "gateway_bound_share",
    "checks_per_second",
    "package_checks_per_second",
    "seed_million_seconds",
    "claim_200_ms",
    "million_claim_ratio",
    "million_cost_ratio",
    "first_check_seconds",
    "manual_p99_seconds",
    "worker_rss_mb",
}
BESIDE = {
    "cpu_seconds_per_1000",
    "lateness",
    "machine",
    "versions",
    "seed",
    "durations",
    "not_measured",
    "details",
}
ABOUT = {"machine": {"cores": 2}, "versions": {}, "seed": 1, "durations": {"whole": 1.23456}}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_a_process_with_blanks_and_brackets_in_its_name_is_read_with_the_time_of_its_ended_children() -> None:
    assert parse_stat(STAT) == ProcessStat(pid=4242, parent=17, ticks=1024)


def test_a_family_is_who_descends_from_the_roots_and_nobody_else() -> None:
    processes = [ProcessStat(pid, parent, 0) for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 1), (5, 4))]

    assert family([2], processes) == {2, 3}
    assert family([4, 3], processes) == {3, 4, 5}


def test_a_rate_leaves_out_the_first_and_the_last_tenth_of_the_work() -> None:
    slow_start = [(at(0), 10)]
    steady = [(at(10 + second), 10) for second in range(9)]

    assert steady_rate(slow_start + steady) == pytest.approx(80 / 17)
    assert steady_rate([*slow_start, *steady, (at(900), 5)]) == pytest.approx(80 / 8)


@pytest.mark.parametrize("done", [[], [(NOON, 500)]])
def test_what_was_done_at_once_has_no_rate(done: list[tuple[datetime, int]]) -> None:
    assert steady_rate(done) is None


def test_a_window_counts_what_happened_from_its_begin_to_before_its_end() -> None:
    window = Window(at(0), at(10)).after(timedelta(seconds=4))

    assert window.seconds == 6
    assert window.amount([(at(3), 1), (at(4), 2), (at(9), 4), (at(10), 8)]) == 6


def test_a_percentile_is_a_value_that_was_seen() -> None:
    values = [float(value) for value in range(100, 0, -1)]

    assert [percentile(values, share) for share in (0, 0.5, 0.99, 1)] == [1, 50, 99, 100]


def test_cost_is_what_was_spent_meanwhile_on_a_thousand() -> None:
    assert per_thousand({"workers": 1.0}, {"workers": 3.0}, 500) == {"workers": 4.0}


def test_of_two_judges_the_smaller_figure_counts_and_none_when_one_has_none() -> None:
    assert smaller(3.0, 2.0) == 2.0
    assert smaller(3.0, None) is None


def test_calls_count_as_the_cards_that_they_asked_about_the_usage_of() -> None:
    calls = [
        {"path": "/c/northwind/v1/usage", "end": at(1).isoformat(), "cards": ["a", "b"]},
        {"path": "/c/northwind/v1/realname-status", "end": at(2).isoformat(), "cards": ["a"]},
    ]

    assert asked(calls) == [(at(1), 2)]


def test_a_worker_is_ready_when_it_says_so() -> None:
    line = "2026-01-01T12:00:00.000000Z [info     ] checks@host ready.               [celery.apps.worker]"

    assert ready_at("") is None
    assert ready_at(f"some warning\n{line}\n") == NOON


def test_the_report_has_the_documented_keys_and_null_for_what_was_not_measured() -> None:
    findings = Findings()
    findings.found("baseline_ratio", 12.34567, otherwise="")
    findings.found("claim_200_ms", None, otherwise="there was no time")

    found = report(findings, **ABOUT)

    assert {target.key for target in TARGETS} == KEYS
    assert set(found) == KEYS | BESIDE
    assert found["baseline_ratio"] == 12.346
    assert found["claim_200_ms"] is None
    assert found["not_measured"] == {"claim_200_ms": "there was no time"}
    assert found["durations"] == {"whole": 1.235}


def test_the_table_says_what_was_met_missed_and_left_out() -> None:
    from rich.console import Console

    findings = Findings(figures={"baseline_ratio": 25.0, "checks_per_second": 5000.0, "claim_200_ms": 9.0})
    findings.leave_out("worker_rss_mb", "there is no process")
    console = Console(width=140, record=True, file=StringIO())

    console.print(table(report(findings, **ABOUT)))

    text = console.export_text()
    for told in ("25", "aim reached", "5,000", "met", "MISSED", "there is no process", "cores 2"):
        assert told in text


def test_no_measure_is_made_twice() -> None:
    assert len(set(MEASURES.values())) == len(MEASURES)

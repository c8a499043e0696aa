"""The keys and the table of the benchmark's report."""

from io import StringIO

from lab.benchmark.findings import TARGETS, Findings
from lab.benchmark.measures.registry import MEASURES
from lab.benchmark.report import report, table

# The keys that docs/benchmark.md documents; the table of targets must have the same keys.
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
CONTEXT = {
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


def test_report_has_documented_keys_and_null_if_not_measured() -> None:
    findings = Findings()
    findings.record("baseline_ratio", 12.34567)
    findings.record("claim_200_ms", None, otherwise="there was no time")

    found = report(findings, **ABOUT)

    assert {target.key for target in TARGETS} == KEYS
    assert set(found) == KEYS | CONTEXT
    assert found["baseline_ratio"] == 12.346
    assert found["claim_200_ms"] is None
    assert found["not_measured"] == {"claim_200_ms": "there was no time"}
    assert found["durations"] == {"whole": 1.235}


def test_table_shows_what_was_met_missed_and_not_measured() -> None:
    from rich.console import Console

    findings = Findings(figures={"baseline_ratio": 25.0, "checks_per_second": 5000.0, "claim_200_ms": 9.0})
    findings.leave_out("worker_rss_mb", "there is no process")
    console = Console(width=140, record=True, file=StringIO())

    console.print(table(report(findings, **ABOUT)))

    text = console.export_text()
    for shown in (
        "25",
        "aim reached",
        "5,000",
        "met",
        "MISSED",
        "not measured: there is no process",
        "cores 2",
    ):
        assert shown in text


def test_no_measure_runs_twice() -> None:
    assert len(set(MEASURES.values())) == len(MEASURES)

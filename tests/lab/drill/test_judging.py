"""A drill's judgement of the call log finds gaps, overlapping calls and broken promises."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lab.drill import call_log
from lab.drill.findings import Findings
from lab.drill.plan import Plan
from lab.drill.registry import DRILLS
from lab.drill.report import report

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def call(
    start: float,
    end: float,
    *cards: str,
    fault: str | None = None,
    is_answered: bool = True,
    gateway: str = "northwind",
) -> dict[str, Any]:
    begun, ended = (BEGIN + timedelta(seconds=moment) for moment in (start, end))
    return {
        "start": begun.isoformat(), "end": ended.isoformat(), "path": f"/c/{gateway}/v1/usage",
        "cards": list(cards), "in_flight": 1, "fault": fault, "is_answered": is_answered,
    }  # fmt: skip


def gap(*calls: dict[str, Any], cards: str = "ab", end: float = 100) -> float:
    return call_log.longest_gap(calls, set(cards), begin=BEGIN, end=BEGIN + timedelta(seconds=end))


def test_gaps_before_between_and_after_answers_count() -> None:
    assert gap(call(9, 10, "a", "b"), call(59, 60, "a", "b"), end=70) == 50
    assert gap(call(59, 60, "a", "b"), call(9, 10, "a", "b"), end=200) == 140
    assert gap(call(39, 40, "a", "b"), call(49, 50, "a", "b"), end=60) == 40


def test_faulty_and_abandoned_calls_are_no_answers() -> None:
    assert gap(call(9, 10, "a")) == 100
    assert gap(call(9, 10, "a", "b"), call(49, 50, "a", "b", fault="error")) == 90
    assert gap(call(9, 10, "a", "b"), call(49, 50, "a", "b", fault="latency")) == 50
    assert gap(call(9, 10, "a", "b"), call(49, 50, "a", "b", fault="latency", is_answered=False)) == 90
    assert gap(call(9, 10, "a", "b", "c"), call(49, 50, "a", "b")) == 50


def test_overlapping_calls_about_one_card_are_counted() -> None:
    apart = [call(0, 1, "a"), call(1, 2, "a"), call(0, 2, "b")]

    beside, long = call(1.5, 3, "a", "c"), call(0, 9, "a")
    assert call_log.asked_twice_at_once(apart) == []
    assert call_log.asked_twice_at_once([*apart, beside]) == [(apart[1], beside)]
    assert [
        earlier for earlier, _ in call_log.asked_twice_at_once([long, call(1, 2, "a"), call(3, 4, "a")])
    ] == [
        long,
        long,
    ]
    assert len(call_log.asked_twice_at_once([long, call(1, 2, "a", "b"), call(1, 2, "a", "b")])) == 3


def test_answers_are_counted_per_card() -> None:
    calls = [
        call(0, 1, "a", "b"),
        call(0, 1, "b"),
        call(0, 1, "a", fault="error"),
        call(0, 1, "x"),
    ]

    assert call_log.answers(calls, {"a", "b"}) == 3


def test_calls_at_once_are_those_that_overlap() -> None:
    calls = [call(0, 2, "a"), call(1, 3, "b"), call(2, 4, "c"), call(1, 3, "d", gateway="bluepeak")]

    assert call_log.max_at_once(calls) == 3
    assert call_log.max_at_one_gateway(calls) == 2
    assert call_log.max_at_once([]) == 0


def test_abandoned_call_ends_a_moment_before_it_is_logged() -> None:
    later = call(1.95, 3, "b")

    assert call_log.max_at_once([call(0, 2, "a"), later]) == 2
    assert call_log.max_at_once([call(0, 2, "a", is_answered=False), later]) == 1
    assert call_log.max_at_once([call(0, 2.1, "a", is_answered=False), later]) == 2
    assert not call_log.asked_twice_at_once([call(0, 2, "b", is_answered=False), later])
    assert call_log.asked_twice_at_once([call(0, 2.1, "b", is_answered=False), later])


def test_drill_passes_if_there_are_promises_and_all_are_kept() -> None:
    findings = Findings()
    assert not findings.are_well

    findings.at_most("calls at once", 50, 50)
    findings.at_least("cards a second", 180, 200.5)
    assert report(findings)["passed"]
    assert [(line.bound, line.found) for line in findings.lines] == [("<= 50", "50"), (">= 180", "200.50")]

    findings.at_most("cards lost", 0, 1)
    assert not report(findings)["passed"]


@pytest.mark.parametrize(("wanting", "interval"), [(50_000, 250), (46_600, 233), (100, 30)])
def test_interval_follows_the_rate_down_to_the_shortest(wanting: int, interval: int) -> None:
    assert Plan(50_000, rate=200, seconds=600, every=5, seed=1).interval(wanting) == interval


def test_drill_lasts_until_a_forgotten_card_is_noticed() -> None:
    short = Plan(1200, rate=40, seconds=45, every=4, seed=1, again_within=60)

    assert short.longest_gap(30) == 33 + 60
    assert short.longest_seconds == short.longest_gap(30)
    assert replace(short, frozen_seconds=4).longest_gap(30) == 33 + 60 + 4
    assert Plan(1200, rate=40, seconds=600, every=4, seed=1).longest_seconds == 600


def test_each_drill_has_faults_and_a_pace() -> None:
    for name, drill in DRILLS.items():
        assert drill.faults, name
        assert drill.every > 0
    assert {name for name, drill in DRILLS.items() if drill.frozen_seconds(7)} == {"outages", "everything"}

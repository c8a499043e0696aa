"""What many counters together show about their carrier."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cards.counter_findings import Evidence, FindingKind, GatewayEvidence, find, have_restarted, message

BEGINS = datetime(2026, 6, 1, tzinfo=UTC)
NOW = BEGINS + timedelta(days=5)
HOUR = timedelta(hours=1)
HONEST = Evidence(
    is_lifetime=False,
    begins=BEGINS,
    cards=3000,
    meters=3000,
    restarted=2990,
    awaited=10,
    earliest_restart=timedelta(minutes=2),
    median_restart=timedelta(minutes=15),
    gateways=(GatewayEvidence(7, answers=500, newest=NOW - HOUR),),
)
FEW = replace(HONEST, cards=9, meters=9, restarted=0, awaited=9, overdue=9)
LATE: dict[str, Any] = {"earliest_restart": 8 * HOUR, "median_restart": 9 * HOUR, "late_restarts": 2900}
NONE: dict[str, Any] = {"restarted": 0, "awaited": 3000, "overdue": 3000}


def kinds(evidence: Evidence, *, now: datetime = NOW) -> list[FindingKind]:
    return [found.kind for found in find(evidence, now=now)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        (LATE, [FindingKind.LATE_RESTART]),
        (LATE | {"earliest_restart": HOUR}, []),
        (LATE | {"delay": 7 * HOUR}, []),
        (LATE | {"late_restarts": 1000}, []),
        (
            LATE | {"late_restarts": 0, "known": {FindingKind.LATE_RESTART: {"hours": 8}}},
            [FindingKind.LATE_RESTART],
        ),
        ({"known": {FindingKind.LATE_RESTART: {"hours": 8}}}, []),
        ({"earliest_restart": -5 * HOUR, "median_restart": -5 * HOUR}, [FindingKind.EARLY_RESTART]),
        (NONE, [FindingKind.NO_RESTART]),
        (NONE | {"overdue": 0}, []),
        (NONE | {"is_lifetime": True}, []),
        (NONE | {"restarted": 100}, []),
        ({"risen": 2900, "risen_of": 3000, "rose_at": NOW}, [FindingKind.SUDDEN_RISE]),
        ({"risen": 1400, "risen_of": 3000, "rose_at": NOW}, []),
        ({"gateways": (GatewayEvidence(7, answers=500, newest=NOW - 9 * HOUR),)}, [FindingKind.STALE]),
        ({"gateways": (GatewayEvidence(7, answers=0, newest=NOW - 9 * HOUR),)}, []),
        ({"gateways": (GatewayEvidence(7, answers=500, newest=None),)}, []),
        ({"gateways": (GatewayEvidence(7, answers=500, newest=NOW - 9 * HOUR),), "max_age": 30 * HOUR}, []),
    ],
    ids=str,
)
def test_fault_of_most_counters_is_the_carriers(
    change: dict[str, object], expected: list[FindingKind]
) -> None:
    assert kinds(replace(HONEST, **change)) == expected  # type: ignore[arg-type]


def test_few_cards_are_no_evidence() -> None:
    assert kinds(FEW) == []
    assert kinds(replace(FEW, risen=9, rose_at=NOW)) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"restarted": 0}, [FindingKind.NO_RESTART]),
        ({"restarted": 20}, [FindingKind.NO_RESTART]),
        ({"restarted": 40}, []),
        ({"restarted": 0, "is_lifetime": True}, []),
        # Most cards have left the carrier since then.
        ({"restarted": 0, "meters": 9}, []),
        ({"restarted": 2, "meters": 50}, []),
    ],
    ids=str,
)
def test_missing_restarts_are_known_until_some_are_seen(
    change: dict[str, object], expected: list[FindingKind]
) -> None:
    early = replace(HONEST, awaited=300, known={FindingKind.NO_RESTART: {"cards": 3000}})

    assert kinds(replace(early, **change), now=BEGINS + HOUR) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [FindingKind.LATE_RESTART, FindingKind.EARLY_RESTART])
def test_misplaced_restarts_are_known_until_the_next_ones(kind: FindingKind) -> None:
    early = replace(HONEST, restarted=5, awaited=300, known={kind: {"cards": 3000, "hours": 8}})

    assert kinds(early, now=BEGINS + HOUR) == [kind]
    assert kinds(early, now=BEGINS + 101 * HOUR) == []


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        (
            replace(HONEST, **LATE),
            (
                "counters of Sun restart at 08:00, but the cycle is declared to begin at 00:00: "
                "is its time zone right?"
            ),
        ),
        (
            replace(HONEST, **LATE | {"earliest_restart": 96 * HOUR}),
            "counters of Sun restart 4 days after the declared billing day: is the billing day right?",
        ),
        (
            replace(HONEST, earliest_restart=-5 * HOUR, median_restart=-5 * HOUR),
            "counters of Sun restart 5 hours before the declared start of the cycle: is its time zone right?",
        ),
        (
            replace(HONEST, **NONE),
            "none of 3,000 counters of Sun restarts with its cycle: do they count over the card's lifetime?",
        ),
        (
            replace(HONEST, risen=3000, risen_of=3000, rose_at=datetime(2026, 6, 5, 14, 5, tzinfo=UTC)),
            "3,000 counters of Sun rose suddenly at 2026-06-05 14:05 UTC: has the unit changed?",
        ),
        (
            replace(HONEST, gateways=(GatewayEvidence(7, answers=500, newest=NOW - 9 * HOUR),)),
            "the figures of Sun have not moved for 9 hours, although it answers",
        ),
    ],
)
def test_finding_is_told_in_one_line(evidence: Evidence, text: str) -> None:
    [found] = find(evidence, now=NOW)

    assert message(found.kind, "Sun", found.details) == text


@pytest.mark.parametrize(
    ("kind", "details", "text"),
    [
        (FindingKind.LATE_RESTART, {"hours": 26}, "restart 1 day after"),
        (FindingKind.LATE_RESTART, {"hours": 48}, "restart 2 days after"),
        (FindingKind.EARLY_RESTART, {"hours": 1}, "restart 1 hour before"),
        (FindingKind.STALE, {"hours": 1}, "for 1 hour,"),
    ],
)
def test_numbers_have_the_right_plural(kind: FindingKind, details: dict[str, int], text: str) -> None:
    assert text in message(kind, "Sun", details)


@pytest.mark.parametrize(
    ("restarted", "awaited", "expected"),
    [(9, 0, False), (10, 0, True), (10, 1, False), (99, 1, True), (98, 2, False)],
)
def test_nearly_all_counters_must_have_restarted(restarted: int, awaited: int, expected: bool) -> None:
    assert have_restarted(restarted, awaited) is expected

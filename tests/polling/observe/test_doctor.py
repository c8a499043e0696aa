"""What the doctor concludes from its findings. tests/e2e/test_doctor.py tests how it collects them."""

from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from carriers.breakers import Rest
from polling.observe.doctor import gateways, planning, processes, results, servers
from polling.observe.doctor.diagnosis import count_troubles, diagnose
from polling.observe.doctor.finding import Finding, Verdict
from polling.observe.doctor.limits import slots
from polling.observe.doctor.processes import WorkerReport
from polling.observe.lateness import Lateness
from polling.observe.monitoring import Holder, InitProgress, LatenessState, LimitState, QueueState, TaskState
from polling.policy import defaults
from polling.schedule import limits
from polling.schedule.histogram import BUCKETS
from polling.schedule.stats import Counted

ALL_WORKERS = {"ticks": ["t@a"], "checks": ["c@a", "c@b"], "background": ["b@a"]}
OPEN, RESTING = Rest(timedelta(seconds=12), is_open=True), Rest(timedelta(seconds=40), is_open=False)
PROGRESS = InitProgress("running", 100, 40, 40, None, None, "")
QUEUE: dict[str, Any] = {
    "task_type": "carddata", "queue_length": 90, "due": 0, "manual": 0, "in_flight": 0, "parked": 0, "suspects": 0,
    "oldest_due_seconds": 0.0, "wanted": 90,
}  # fmt: skip


def judge(
    report: WorkerReport | None, tick_age: float | None = 1, claim_age: float | None = 1
) -> dict[str, Finding]:
    return {
        finding.subject: finding
        for finding in processes.judge(report, tick_age=tick_age, claim_age=claim_age)
    }


def test_running_processes_are_ok() -> None:
    found = judge(WorkerReport(ALL_WORKERS, ticks_pile_up=False))

    assert {finding.verdict for finding in found.values()} == {Verdict.OK}
    assert found["worker checks"].detail == "c@a, c@b"


@pytest.mark.parametrize(
    ("piles_up", "age", "detail"),
    [
        (False, 41.0, "no tick for 41 s, and none arrives: beat does not run"),
        (False, None, "no tick yet, and none arrives: beat does not run"),
        (True, 41.0, "no tick was processed for 41 s, but ticks pile up in the broker: beat runs"),
    ],
)
def test_missing_beat_differs_from_missing_ticks_worker(
    piles_up: bool, age: float | None, detail: str
) -> None:
    found = judge(WorkerReport({}, ticks_pile_up=piles_up), tick_age=age, claim_age=None)

    assert found["beat"].detail == detail
    assert found["claims"].detail == "no worker has claimed due cards yet"
    assert found["worker ticks"].verdict is Verdict.TROUBLE


def test_without_broker_workers_are_not_judged() -> None:
    assert list(judge(None)) == ["broker"]


def test_schedule_is_complete_being_seeded_stopped_or_missing() -> None:
    def judge_epoch(**seen: Any) -> Finding:
        known = {"is_complete": False, "number": None, "is_seeded": False, "progress": PROGRESS}
        return planning.epoch(**(known | seen))

    assert judge_epoch(is_complete=True).verdict is Verdict.OK
    assert judge_epoch(number=7, is_seeded=True) == Finding(
        Verdict.NOTE, "schedule", "being seeded: 40 % of the cards are scheduled"
    )
    assert "stopped at 40 %" in judge_epoch(number=7).detail
    assert judge_epoch().detail == "there is none: nothing is claimed"


def test_broken_invariant_and_parked_cards_are_troubles() -> None:
    def judge_queue(*, is_quiet: bool = True, **fields: Any) -> Finding:
        return planning.invariant(QueueState(**QUEUE | fields), is_quiet=is_quiet)

    assert judge_queue().verdict is Verdict.OK
    assert judge_queue(wanted=None).verdict is Verdict.OK
    assert judge_queue(queue_length=0, wanted=1000) == Finding(
        Verdict.TROUBLE,
        "carddata schedule",
        "0 scheduled, 0 being checked, 0 parked, but 1,000 want the check",
        "run rebuild_schedule: it schedules them at once",
    )
    assert judge_queue(queue_length=0, wanted=1000, is_quiet=False).verdict is Verdict.NOTE
    # Up to ten missing cards, or a small share of all cards, are only a note, because they may be new.
    assert judge_queue(queue_length=80, wanted=90).verdict is Verdict.NOTE
    assert judge_queue(queue_length=99_500, wanted=100_000).verdict is Verdict.NOTE
    assert judge_queue(queue_length=98_000, wanted=100_000).verdict is Verdict.TROUBLE
    assert judge_queue(queue_length=89, parked=1).verdict is Verdict.TROUBLE


@pytest.mark.parametrize(("limit", "verdict"), [(None, Verdict.TROUBLE), (0, Verdict.NOTE), (50, Verdict.OK)])
def test_missing_limit_is_trouble_and_zero_is_a_note(limit: int | None, verdict: Verdict) -> None:
    assert slots(LimitState("carddata", limit, (Holder("a:1:1", 3),))).verdict is verdict


@pytest.mark.parametrize(
    ("good", "failed", "verdict"),
    [(100, 0, Verdict.OK), (0, 19, Verdict.OK), (18, 2, Verdict.OK), (17, 3, Verdict.TROUBLE)],
)
def test_success_rate_needs_enough_checks(good: int, failed: int, verdict: Verdict) -> None:
    counted = Counted(good, failed, 0, (0,) * BUCKETS, (0,) * BUCKETS, 300)

    assert results.success(TaskState("carddata", 300, counted)).verdict is verdict


def test_backlog_lateness_and_failures_are_judged() -> None:
    delayed, very_delayed = (
        QueueState(**QUEUE | {"due": 9, "oldest_due_seconds": age}) for age in (119.0, 121.0)
    )
    assert results.backlog(delayed, limit=50).verdict is Verdict.OK
    assert results.backlog(very_delayed, limit=50).verdict is Verdict.TROUBLE
    assert results.backlog(very_delayed, limit=0).detail.endswith("for 121 s: its limit allows no check")
    for measured, verdict in (
        (None, Verdict.NOTE),
        (Lateness(9, 9, None, None, None), Verdict.NOTE),
        (Lateness(0, 0, None, None, None), Verdict.OK),
        (Lateness(9, 0, 0.5, 1.5, 40.0), Verdict.OK),
        (Lateness(9, 0, 0.5, 1.51, 40.0), Verdict.NOTE),
    ):
        assert results.lateness(LatenessState("carddata", measured)).verdict is verdict
    assert results.failing(0).verdict is Verdict.OK
    assert results.failing(3).detail == "checks that fail: 3"
    assert results.failing(10_000).detail == "checks that fail: 10,000 or more"


def test_servers_near_their_limits_are_troubles() -> None:
    assert servers.connections(89, 100).verdict is Verdict.OK
    assert servers.connections(90, 100).verdict is Verdict.TROUBLE
    assert servers.memory(10**8, 0, "allkeys-lru").verdict is Verdict.OK
    assert servers.memory(10**8, 10**9, "allkeys-lru").verdict is Verdict.TROUBLE
    assert servers.memory(10**8, 10**9, "noeviction").verdict is Verdict.OK
    assert servers.memory(95 * 10**7, 10**9, "noeviction").verdict is Verdict.TROUBLE


@pytest.mark.parametrize(
    ("error", "rest", "verdict", "detail"),
    [
        ("", None, Verdict.OK, "answers"),
        (None, None, Verdict.OK, "open; not called, because it has no card or no free slot"),
        ("status 500", None, Verdict.TROUBLE, "status 500: its cards are retried every 30 to 60 s"),
        (
            "status 500",
            OPEN,
            Verdict.TROUBLE,
            "status 500: its breaker is open: its cards wait, the next trial call is in 12 s",
        ),
        ("", OPEN, Verdict.NOTE, "its breaker is open: its cards wait, the next trial call is in 12 s"),
        ("", RESTING, Verdict.NOTE, "it asked for no calls for another 40 s"),
    ],
)
def test_gateway_is_judged_by_its_answer_and_breaker(
    error: str | None, rest: Rest | None, verdict: Verdict, detail: str
) -> None:
    found = gateways.judge_call("Northwind", error, rest)

    assert (found.verdict, found.subject, found.detail) == (verdict, "gateway Northwind", detail)


@pytest.mark.django_db
def test_diagnosis_completes_without_cards_or_gateways(redis: Redis) -> None:
    defaults.make_missing()
    limits.publish(redis)

    found = list(diagnose(redis, lambda: WorkerReport(ALL_WORKERS, ticks_pile_up=False)))

    assert [finding.subject for finding in found if finding.verdict is Verdict.TROUBLE] == [
        "beat",
        "claims",
        "schedule",
    ]
    assert count_troubles(found) == 3
    assert found[-1].subject == "counters"

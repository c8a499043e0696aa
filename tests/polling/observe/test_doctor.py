"""What the doctor concludes from what it sees. That it sees it is shown by tests/e2e/test_doctor.py."""

from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from carriers.breakers import Rest
from polling.observe.doctor import gateways, planning, processes, results, servers
from polling.observe.doctor.finding import Finding, Verdict
from polling.observe.doctor.limits import slots
from polling.observe.doctor.processes import Crew
from polling.observe.doctor.walk import troubles, walk
from polling.observe.lateness import Lateness
from polling.observe.monitoring import Holder, InitProgress, LatenessState, LimitState, QueueState, TaskState
from polling.policy import defaults
from polling.schedule import limits
from polling.schedule.histogram import BUCKETS
from polling.schedule.stats import Counted

EVERYBODY = {"ticks": ["t@a"], "checks": ["c@a", "c@b"], "background": ["b@a"]}
OPEN, HELD = Rest(timedelta(seconds=12), is_open=True), Rest(timedelta(seconds=40), is_open=False)
PROGRESS = InitProgress("running", 100, 40, 40, None, None, "")
QUEUE: dict[str, Any] = {
    "task_type": "carddata", "queue_length": 90, "due": 0, "manual": 0, "in_flight": 0, "parked": 0, "suspects": 0,
    "oldest_due_seconds": 0.0, "wanted": 90,
}  # fmt: skip


def judged(crew: Crew | None, tick_age: float | None = 1, claim_age: float | None = 1) -> dict[str, Finding]:
    return {one.subject: one for one in processes.judge(crew, tick_age=tick_age, claim_age=claim_age)}


def test_all_processes_run() -> None:
    found = judged(Crew(EVERYBODY, do_ticks_pile_up=False))

    assert {one.verdict for one in found.values()} == {Verdict.OK}
    assert found["worker checks"].says == "c@a, c@b"


@pytest.mark.parametrize(
    ("piles_up", "age", "says"),
    [
        (False, 41.0, "no tick for 41 s, and none arrives: beat does not run"),
        (False, None, "no tick ever, and none arrives: beat does not run"),
        (True, 41.0, "no tick was worked off for 41 s, but they pile up in the broker: beat runs"),
    ],
)
def test_beat_is_told_from_the_worker_of_its_ticks(piles_up: bool, age: float | None, says: str) -> None:
    found = judged(Crew({}, do_ticks_pile_up=piles_up), tick_age=age, claim_age=None)

    assert found["beat"].says == says
    assert found["claims"].says == "nobody has asked for due cards ever"
    assert found["worker ticks"].verdict is Verdict.TROUBLE


def test_without_the_broker_nothing_is_said_of_the_workers() -> None:
    assert list(judged(None)) == ["broker"]


def test_a_schedule_is_whole_in_the_making_stopped_or_not_there() -> None:
    def says(**seen: Any) -> Finding:
        known = {"is_complete": False, "number": None, "is_seeded": False, "progress": PROGRESS}
        return planning.epoch(**(known | seen))

    assert says(is_complete=True).verdict is Verdict.OK
    assert says(number=7, is_seeded=True) == Finding(
        Verdict.NOTE, "schedule", "it is being made: 40 % of the cards are planned"
    )
    assert "stopped at 40 %" in says(number=7).says
    assert says().says == "there is none: nothing is claimed"


def test_the_law_is_held_and_parked_cards_are_a_trouble() -> None:
    def law(*, is_quiet: bool = True, **fields: Any) -> Finding:
        return planning.law(QueueState(**QUEUE | fields), is_quiet=is_quiet)

    assert law().verdict is Verdict.OK
    assert law(wanted=None).verdict is Verdict.OK
    assert law(queue_length=0, wanted=1000) == Finding(
        Verdict.TROUBLE,
        "carddata schedule",
        "0 scheduled, 0 being checked, 0 parked, but 1,000 want it",
        "rebuild_schedule plans them at once",
    )
    assert law(queue_length=0, wanted=1000, is_quiet=False).verdict is Verdict.NOTE
    # Ten of a few, or a few of many, may just have come.
    assert law(queue_length=80, wanted=90).verdict is Verdict.NOTE
    assert law(queue_length=99_500, wanted=100_000).verdict is Verdict.NOTE
    assert law(queue_length=98_000, wanted=100_000).verdict is Verdict.TROUBLE
    assert law(queue_length=89, parked=1).verdict is Verdict.TROUBLE


@pytest.mark.parametrize(("limit", "verdict"), [(None, Verdict.TROUBLE), (0, Verdict.NOTE), (50, Verdict.OK)])
def test_no_limit_is_closed_and_a_limit_of_nothing_is_a_pause(limit: int | None, verdict: Verdict) -> None:
    assert slots(LimitState("carddata", limit, (Holder("a:1:1", 3),))).verdict is verdict


@pytest.mark.parametrize(
    ("good", "failed", "verdict"),
    [(100, 0, Verdict.OK), (0, 19, Verdict.OK), (18, 2, Verdict.OK), (17, 3, Verdict.TROUBLE)],
)
def test_a_rate_is_judged_when_there_are_enough_checks(good: int, failed: int, verdict: Verdict) -> None:
    counted = Counted(good, failed, 0, (0,) * BUCKETS, (0,) * BUCKETS, 300)

    assert results.success(TaskState("carddata", 300, counted)).verdict is verdict


def test_backlog_lateness_and_failures() -> None:
    late, very_late = (QueueState(**QUEUE | {"due": 9, "oldest_due_seconds": age}) for age in (119.0, 121.0))
    assert results.backlog(late, limit=50).verdict is Verdict.OK
    assert results.backlog(very_late, limit=50).verdict is Verdict.TROUBLE
    assert results.backlog(very_late, limit=0).says.endswith("for 121 s: nobody may check them")
    for measured, verdict in (
        (None, Verdict.NOTE),
        (Lateness(9, 9, None, None, None), Verdict.NOTE),
        (Lateness(0, 0, None, None, None), Verdict.OK),
        (Lateness(9, 0, 0.5, 1.5, 40.0), Verdict.OK),
        (Lateness(9, 0, 0.5, 1.51, 40.0), Verdict.NOTE),
    ):
        assert results.lateness(LatenessState("carddata", measured)).verdict is verdict
    assert results.failing(0).verdict is Verdict.OK
    assert results.failing(3).says == "checks that fail: 3"
    assert results.failing(10_000).says == "checks that fail: 10,000 or more"


def test_servers_at_their_limits() -> None:
    assert servers.connections(89, 100).verdict is Verdict.OK
    assert servers.connections(90, 100).verdict is Verdict.TROUBLE
    assert servers.memory(10**8, 0, "allkeys-lru").verdict is Verdict.OK
    assert servers.memory(10**8, 10**9, "allkeys-lru").verdict is Verdict.TROUBLE
    assert servers.memory(10**8, 10**9, "noeviction").verdict is Verdict.OK
    assert servers.memory(95 * 10**7, 10**9, "noeviction").verdict is Verdict.TROUBLE


@pytest.mark.parametrize(
    ("error", "rest", "verdict", "says"),
    [
        ("", None, Verdict.OK, "answers"),
        (None, None, Verdict.OK, "open; not asked, because it has no card or no free slot"),
        ("status 500", None, Verdict.TROUBLE, "status 500: its cards are asked about again every 30 to 60 s"),
        (
            "status 500",
            OPEN,
            Verdict.TROUBLE,
            "status 500: its breaker is open: its cards wait, the next probe is in 12 s",
        ),
        ("", OPEN, Verdict.NOTE, "its breaker is open: its cards wait, the next probe is in 12 s"),
        ("", HELD, Verdict.NOTE, "it asked to be left alone for another 40 s"),
    ],
)
def test_a_gateway_is_judged_by_its_answer_and_its_breaker(
    error: str | None, rest: Rest | None, verdict: Verdict, says: str
) -> None:
    found = gateways.answer("Northwind", error, rest)

    assert (found.verdict, found.subject, found.says) == (verdict, "gateway Northwind", says)


@pytest.mark.django_db
def test_it_walks_to_the_end_also_without_cards_or_gateways(redis: Redis) -> None:
    defaults.make_missing()
    limits.publish(redis)

    found = list(walk(redis, lambda: Crew(EVERYBODY, do_ticks_pile_up=False)))

    assert [one.subject for one in found if one.verdict is Verdict.TROUBLE] == ["beat", "claims", "schedule"]
    assert troubles(found) == 3
    assert found[-1].subject == "failures"

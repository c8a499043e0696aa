"""Beat goes on at once after its clock was ahead, whether it runs on or is restarted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django_celery_beat.models import PeriodicTask, PeriodicTasks
from structlog.testing import capture_logs

from config.celery import app
from config.celery_patches.scheduler import SteadyScheduler
from polling.observe.doctor import processes

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOURLY = {name for name, entry in app.conf.beat_schedule.items() if entry["schedule"] >= timedelta(hours=1)}
FREQUENT = set(app.conf.beat_schedule) - HOURLY


class Recorder(SteadyScheduler):
    """A scheduler that notes what it would send."""

    sent: list[str]

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.sent.append(entry.name)


def started() -> Recorder:
    scheduler = Recorder(app=app, lazy=False)
    # Beat stores its last runs at exit.
    scheduler._finalize.cancel()
    scheduler.sent = []
    return scheduler


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


def run(scheduler: Recorder, clock: time_machine.Traveller, *, minutes: float, step: float = 0.1) -> set[str]:
    """Let beat run for some minutes, and return the names of what it sent. Ticks are `step` seconds or more apart."""
    scheduler.sent.clear()
    seconds = minutes * 60
    while seconds > 0:
        wait = max(step, min(scheduler.tick(), 1.0))
        clock.shift(wait)
        seconds -= wait
    return set(scheduler.sent)


@pytest.mark.parametrize("ahead", [timedelta(minutes=1), timedelta(hours=2), timedelta(days=400)])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_clock_that_is_set_back_stops_nothing(
    clock: time_machine.Traveller, ahead: timedelta, *, is_restarted: bool
) -> None:
    clock.shift(ahead)
    scheduler = started()
    assert run(scheduler, clock, minutes=6, step=6) >= FREQUENT
    scheduler.sync()

    clock.move_to(NOW)
    if is_restarted:
        assert PeriodicTask.objects.filter(last_run_at__gt=NOW).exists()
        scheduler = started()

    assert run(scheduler, clock, minutes=6, step=6) >= FREQUENT


def test_entries_do_not_run_more_often_than_they_should(clock: time_machine.Traveller) -> None:
    scheduler = started()
    run(scheduler, clock, minutes=6)
    clock.shift(-7200)

    run(scheduler, clock, minutes=1)

    assert 55 <= scheduler.sent.count("wake-up") <= 62
    assert scheduler.sent.count("survey-counters") <= 1


def test_disabled_task_is_named_and_enabled_at_the_start(clock: time_machine.Traveller) -> None:
    started()
    PeriodicTask.objects.filter(name="wake-up").update(enabled=False, args="{", one_off=True)

    (finding,) = processes.periodic_tasks()
    scheduler = started()

    assert "beat does not send wake-up" in finding.detail
    assert "wake-up" in run(scheduler, clock, minutes=0.1)
    assert list(processes.periodic_tasks()) == []


def test_damaged_row_stops_no_other_task(clock: time_machine.Traveller) -> None:
    scheduler = started()
    PeriodicTask.objects.filter(name="wake-up").update(args="{")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE django_celery_beat_periodictask SET last_run_at = 'infinity' WHERE name = 'watch-triggers'"
        )
    PeriodicTasks.update_changed()

    sent = run(scheduler, clock, minutes=0.5)

    assert "watch-triggers" in sent
    assert "publish-limits" in sent


def test_task_with_an_unknown_queue_is_named_and_restored(clock: time_machine.Traveller) -> None:
    scheduler = SteadyScheduler(app=app, lazy=False)
    scheduler._finalize.cancel()
    rows = PeriodicTask.objects.filter(name="wake-up")
    rows.update(queue="nowhere")
    clock.shift(1)
    PeriodicTasks.update_changed()

    with capture_logs() as logs:
        scheduler.apply_entry(scheduler.schedule["wake-up"])
    started()

    assert [(event["event"], event["task"]) for event in logs] == [("periodic_task_unsendable", "wake-up")]
    assert "nowhere" in logs[0]["reason"]
    assert rows.get().queue != "nowhere"


def test_failing_tick_is_tried_again(clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    scheduler = started()
    monkeypatch.setattr(Recorder, "schedule_changed", lambda _: 1 / 0)

    with capture_logs() as logs:
        waits = [scheduler.tick(), scheduler.tick()]

    assert waits == [1.0, 1.0]
    assert [event["event"] for event in logs] == ["beat_failed", "beat_failed"]

"""PostgreSQL stores and returns meters, and usage records are appended to their partitions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event, Thread
from time import sleep
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from cards import meter_store, usage_partitions
from cards.meter import Before, Doubt, Meter, Restart, Suspect, Uncertainty
from cards.meter_store import UsageLine
from cards.metrics import UsagePartitionsCollector
from cards.models import UsageRecord
from tests.factories import CardFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)


def test_meters_are_loaded_as_they_were_stored() -> None:
    first, second = CardFactory.create(), CardFactory.create()
    plain = Meter(NOW.date(), Decimal("1.500"), Decimal("2.500"), NOW, Decimal("9.000"), Restart.SEEN, 7)
    full = Meter(
        NOW.date(), Decimal(1), Decimal(2), NOW, Decimal(0), Restart.AWAITED, 7, NOW,
        Suspect(Decimal("0.100"), NOW),
        Before(Decimal(7), Decimal(6), Decimal(5), Restart.SEEN, NOW),
        Uncertainty(Doubt.SUDDEN_RISE, NOW, Decimal("0.5"), Decimal(3)),
        Decimal(2), Decimal(1),
    )  # fmt: skip
    stored = {first.pk: full, second.pk: plain}
    changed = {first.pk: plain, second.pk: full}

    meter_store.store_meters({}, stored)
    meter_store.store_meters(stored, changed)

    assert meter_store.meters_of([first.pk, second.pk]) == changed


@pytest.mark.parametrize("restart", Restart)
@pytest.mark.parametrize("before", [None, *Restart])
@pytest.mark.parametrize("before_raw", [1, 2, 3])
@pytest.mark.parametrize("is_latest", [True, False])
def test_sql_and_meter_agree_on_what_is_certain(
    restart: Restart, before: Restart | None, before_raw: int, *, is_latest: bool
) -> None:
    at = NOW if is_latest else NOW - timedelta(hours=1)
    memory = Before(Decimal(before_raw), Decimal("0.5"), Decimal(0), before, at) if before else None
    meter = Meter(NOW.date(), Decimal(2), Decimal(2), NOW, restart=restart, before=memory)
    meter_store.store_meters({}, {CardFactory.create().pk: meter})

    with connection.cursor() as cursor:
        columns = f"{meter_store.IS_PROVISIONAL}, {meter_store.UNCONFIRMED_MB}"
        cursor.execute(f"SELECT {columns} FROM cards_cardusage AS meter")
        found = cursor.fetchone()

    assert (bool(found[0]), found[1]) == (meter.is_provisional, meter.unconfirmed_mb)


@pytest.mark.parametrize(
    "change",
    [
        {"lower_since": NOW},
        {"suspect": Suspect(Decimal(1), NOW)},
        {"before": Before(Decimal(7), Decimal(6), Decimal(5), Restart.SEEN, NOW)},
        {"uncertainty": Uncertainty(Doubt.SUDDEN_RISE, NOW)},
        {"last_over_mb": Decimal(1)},
        {"last_under_mb": Decimal(1)},
        {"last_start": NOW.date()},
        {"first_mb": Decimal(1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_rare_field_is_stored_and_emptied(change: dict[str, Any]) -> None:
    card = CardFactory.create().pk
    plain = Meter(NOW.date(), Decimal("1.500"), Decimal("2.500"), NOW, Decimal("9.000"), Restart.SEEN, 7)
    rare = replace(plain, **change)

    for before, after in ((None, rare), (rare, plain), (plain, rare)):
        meter_store.store_meters({card: before} if before else {}, {card: after})
        assert meter_store.meters_of([card]) == {card: after}


def test_history_goes_into_the_partition_of_its_day() -> None:
    now = timezone.now()
    usage_partitions.make_ahead(now.date())

    meter_store.append([UsageLine(7, now.date(), now, Decimal("1.234"), Decimal("1.2"), Decimal(0))], now=now)

    record = UsageRecord.objects.get(card_id=7)
    assert (record.recorded_at, record.raw_mb, record.used_mb) == (now, Decimal("1.234"), Decimal("1.200"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM cards_usagerecord")
        assert cursor.fetchone() == (f"cards_usagerecord_{now:%Y%m%d}",)


def test_history_without_a_partition_is_kept_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    far = timezone.now() + timedelta(days=400)

    meter_store.append([UsageLine(7, far.date(), far, Decimal(1), Decimal(1), Decimal(0))], now=far)
    usage_partitions.make_ahead(timezone.now().date())

    assert UsageRecord.objects.filter(card_id=7).exists()
    assert "usage_records_in_default_partition" in caplog.text
    assert collected_metrics()["simwatch_stray_usage_records"] == 1


def collected_metrics() -> dict[str, float]:
    families = list(UsagePartitionsCollector().collect())
    return {family.name: family.samples[0].value for family in families}


def test_partitions_are_made_ahead_once() -> None:
    today = datetime(2031, 1, 30, tzinfo=UTC).date()

    made = usage_partitions.make_ahead(today)

    assert len(made) == 8
    assert made[0] == "cards_usagerecord_20310130"
    assert made[-1] == "cards_usagerecord_20310206"
    assert usage_partitions.make_ahead(today) == []
    assert usage_partitions.days_ahead(today) == 8
    assert usage_partitions.days_ahead(today - timedelta(days=1)) == 0


@pytest.mark.django_db(transaction=True)
def test_partitions_are_made_during_a_concurrent_write() -> None:
    today = datetime(2031, 1, 30, 12, tzinfo=UTC)
    usage_partitions.make_ahead(today.date())
    began, made = Event(), list[str]()

    def write() -> None:
        with transaction.atomic():
            meter_store.append(
                [UsageLine(7, today.date(), today, Decimal(1), Decimal(1), Decimal(0))], now=today
            )
            began.set()
            # Keep the transaction open, so that the writer holds its locks while partitions are made.
            while not made:
                sleep(0.01)
        connection.close()

    writer = Thread(target=write)
    writer.start()
    began.wait(10)
    made += usage_partitions.make_ahead(today.date() + timedelta(days=8))
    made += ["the end"]
    writer.join(10)

    assert len(made) == 9
    assert UsageRecord.objects.filter(card_id=7).exists()
    with connection.cursor() as cursor:
        for name in [f"cards_usagerecord_{today + timedelta(days=n):%Y%m%d}" for n in range(16)]:
            cursor.execute(f"DROP TABLE {name}")


def test_stray_rows_move_into_their_new_partition() -> None:
    day = datetime(2032, 5, 10, 12, tzinfo=UTC)
    meter_store.append([UsageLine(7, day.date(), day, Decimal(1), Decimal(1), Decimal(0))], now=day)

    made = usage_partitions.make_ahead(day.date())

    assert len(made) == 8
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM cards_usagerecord WHERE card_id = 7")
        assert cursor.fetchall() == [("cards_usagerecord_20320510",)]

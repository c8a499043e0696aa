"""Check states, meters and history as PostgreSQL keeps them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Event, Thread
from time import sleep

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from cards import check_states, meter_store, usage_partitions
from cards.check_states import CheckResult
from cards.meter_store import UsageLine
from cards.metering import Meter
from cards.metrics import UsagePartitionsCollector
from cards.models import Card, CheckState, CheckType, UsageRecord
from tests.factories import CardFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
DATA = CheckType.DATA_USAGE


def take(results: list[CheckResult], now: datetime = NOW) -> set[int]:
    with transaction.atomic():
        newer = check_states.lock_newer(DATA, {result.card_id: result.token for result in results})
        check_states.write(DATA, [result for result in results if result.card_id in newer], now=now)
    return newer


def test_a_first_result_makes_the_row() -> None:
    card = CardFactory.create()

    assert take([CheckResult(card.pk, 5)]) == {card.pk}

    state = CheckState.objects.get(card=card, type=DATA)
    assert (state.token, state.checked_at, state.failures) == (5, NOW, 0)


def test_a_late_result_is_refused_and_changes_nothing() -> None:
    card = CardFactory.create()
    take([CheckResult(card.pk, 5)])

    assert take([CheckResult(card.pk, 4, "busy")], NOW + timedelta(hours=1)) == set()
    assert take([CheckResult(card.pk, 5, "busy")], NOW + timedelta(hours=1)) == set()

    state = CheckState.objects.get(card=card)
    assert (state.token, state.checked_at, state.error) == (5, NOW, "")


def test_failures_are_counted_since_the_first_and_end_with_an_answer() -> None:
    card = CardFactory.create()
    take([CheckResult(card.pk, 1)])
    take([CheckResult(card.pk, 2, "busy")], NOW + timedelta(minutes=1))
    take([CheckResult(card.pk, 3, "not_found")], NOW + timedelta(minutes=2))

    failing = CheckState.objects.get(card=card)
    assert (failing.failures, failing.error, failing.checked_at) == (2, "not_found", NOW)
    assert failing.failing_since == NOW + timedelta(minutes=1)

    take([CheckResult(card.pk, 4)], NOW + timedelta(minutes=3))
    mended = CheckState.objects.get(card=card)
    assert (mended.failures, mended.error, mended.failing_since) == (0, "", None)


def test_a_card_that_is_gone_is_left_out_and_its_batch_goes_on() -> None:
    card = CardFactory.create()
    gone = card.pk + 1000

    assert take([CheckResult(gone, 1), CheckResult(card.pk, 1)]) == {card.pk}


def test_meters_come_back_as_they_were_stored() -> None:
    first, second = CardFactory.create(), CardFactory.create()
    meter = Meter(NOW.date(), Decimal("1.500"), Decimal("2.500"), NOW, Decimal("9.000"))
    suspect = Meter(NOW.date(), Decimal(1), Decimal(2), NOW, Decimal(0), Decimal("0.100"), NOW)

    meter_store.store_meters({first.pk: suspect, second.pk: meter})
    meter_store.store_meters({first.pk: meter, second.pk: suspect})

    assert meter_store.meters_of([first.pk, second.pk]) == {first.pk: meter, second.pk: suspect}


def test_history_goes_into_the_partition_of_its_day() -> None:
    now = timezone.now()
    usage_partitions.make_ahead(now.date())

    meter_store.append([UsageLine(7, now, Decimal("1.234"), Decimal("1.2"), Decimal(0))], now=now)

    record = UsageRecord.objects.get(card_id=7)
    assert (record.recorded_at, record.raw_mb, record.used_mb) == (now, Decimal("1.234"), Decimal("1.200"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM cards_usagerecord")
        assert cursor.fetchone() == (f"cards_usagerecord_{now:%Y%m%d}",)


def test_history_without_a_partition_is_kept_and_told(caplog: pytest.LogCaptureFixture) -> None:
    far = timezone.now() + timedelta(days=400)

    meter_store.append([UsageLine(7, far, Decimal(1), Decimal(1), Decimal(0))], now=far)
    usage_partitions.make_ahead(timezone.now().date())

    assert UsageRecord.objects.filter(card_id=7).exists()
    assert "usage_records_in_default_partition" in caplog.text
    assert told_to_prometheus()["simwatch_stray_usage_records"] == 1


def told_to_prometheus() -> dict[str, float]:
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
def test_partitions_are_made_while_somebody_writes() -> None:
    today = datetime(2031, 1, 30, 12, tzinfo=UTC)
    usage_partitions.make_ahead(today.date())
    began, made = Event(), list[str]()

    def write() -> None:
        with transaction.atomic():
            meter_store.append([UsageLine(7, today, Decimal(1), Decimal(1), Decimal(0))], now=today)
            began.set()
            # Uncommitted all the while: the writer's locks are held.
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


def test_history_that_strayed_moves_into_its_partition_when_that_is_made() -> None:
    day = datetime(2032, 5, 10, 12, tzinfo=UTC)
    meter_store.append([UsageLine(7, day, Decimal(1), Decimal(1), Decimal(0))], now=day)

    made = usage_partitions.make_ahead(day.date())

    assert len(made) == 8
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM cards_usagerecord WHERE card_id = 7")
        assert cursor.fetchall() == [("cards_usagerecord_20320510",)]


@pytest.mark.parametrize(
    "wrong",
    [{"iccid": "8986"}, {"iccid": "8986000000000000000x"}, {"iccid": "898600000000000000a1"}, {"imsi": "12a456"},
     {"msisdn": "1"}, {"status": 5}, {"status": 0}, {"category": "other"}, {"real_name_status": "maybe"},
     {"network_status": "off"}],
)  # fmt: skip
def test_postgresql_itself_refuses_a_card_that_makes_no_sense(wrong: dict[str, object]) -> None:
    card = CardFactory.create()

    with pytest.raises(IntegrityError), transaction.atomic():
        Card.objects.filter(pk=card.pk).update(**wrong)


def test_an_iccid_is_unique_among_the_cards_that_are_not_deleted() -> None:
    card = CardFactory.create()

    with pytest.raises(IntegrityError), transaction.atomic():
        CardFactory.create(iccid=card.iccid)
    Card.objects.filter(pk=card.pk).update(deleted_at=NOW)

    assert CardFactory.create(iccid=card.iccid).pk != card.pk

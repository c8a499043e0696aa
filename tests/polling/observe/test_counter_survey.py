"""A survey of all meters stores what is wrong with a carrier's counters, and removes what is over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Thread
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test import Client

from audit.models import Operation
from cards import meter_store
from cards.counter_findings import FindingKind
from cards.meter import Before, Doubt, Meter, Restart, Suspect, Uncertainty
from cards.models import Card, CardUsage, CheckState, CounterFinding, CounterSurvey
from carriers.models import Carrier, Gateway
from polling.models import MinuteStat
from polling.observe import counter_survey
from polling.observe.doctor import counters, own_faults
from polling.observe.doctor.finding import Verdict
from polling.policy.config_snapshot import ConfigSnapshot
from tests.factories import CardFactory, CarrierFactory, GatewayFactory, UserFactory
from tests.support.admin_forms import post

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 3, 12, tzinfo=UTC)
BEGINS = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
OLD = Meter(BEGINS.date(), Decimal(5), Decimal(5), NOW - 9 * HOUR, restart=Restart.SEEN)
METER = Meter(BEGINS.date(), Decimal(5), Decimal(905), NOW, Decimal(900), Restart.AWAITED)


def fleet(count: int = 12, **carrier: Any) -> tuple[Carrier, list[Card]]:
    created = CarrierFactory.create(time_zone="UTC", **carrier)
    return created, CardFactory.create_batch(count, carrier=created)


def store(cards: list[Card], meter: Meter) -> None:
    ids = [card.pk for card in cards]
    meter_store.store_meters(meter_store.meters_of(ids), dict.fromkeys(ids, meter))


def found(*, now: datetime = NOW) -> list[str]:
    return [finding.kind for finding in counter_survey.publish(now=now)]


def restarted(after: timedelta) -> Meter:
    before = Before(Decimal(900), Decimal(0), Decimal(900), Restart.AWAITED, BEGINS + after)
    return Meter(BEGINS.date(), Decimal(5), Decimal(5), NOW, Decimal(900), Restart.SEEN, before=before)


def test_counters_that_do_not_restart_are_found_until_they_do() -> None:
    carrier, cards = fleet()
    store(cards, METER)

    assert found() == [FindingKind.NO_RESTART]
    since = CounterFinding.objects.get().since
    assert found(now=NOW + timedelta(hours=1)) == [FindingKind.NO_RESTART]
    assert CounterFinding.objects.get().since == since

    store(cards, restarted(timedelta(minutes=5)))
    assert found() == []
    assert not CounterFinding.objects.exists()
    assert CounterSurvey.objects.get(carrier=carrier).restarted == 12


def waiting(after: timedelta, **changes: Any) -> Meter:
    """Return a meter that was read `after` the boundary and still showed the old counter."""
    return replace(METER, measured_at=BEGINS + after, **changes)


def test_restarts_in_the_morning_are_found_and_remembered() -> None:
    carrier, cards = fleet()
    store(cards, waiting(7 * HOUR))
    assert found(now=BEGINS + 7 * HOUR) == []
    store(cards, restarted(8 * HOUR))

    assert found() == [FindingKind.LATE_RESTART]
    # Meters forget their restarts after some days, but the finding remains for the whole cycle.
    store(cards, Meter(BEGINS.date(), Decimal(50), Decimal(50), NOW, Decimal(900), Restart.SEEN))
    assert found() == [FindingKind.LATE_RESTART]
    survey = CounterSurvey.objects.get(carrier=carrier)
    assert (survey.earliest_restart, survey.late) == (8 * HOUR, 12)


def test_outage_over_the_boundary_makes_no_restart_late() -> None:
    _, cards = fleet(20)
    # The last readings before the outage come shortly after the boundary, except those of a few cards.
    store(cards, waiting(HOUR))
    store(cards[:9], waiting(3 * HOUR))
    assert found(now=BEGINS + 3 * HOUR) == []
    store(cards, restarted(9 * HOUR))

    assert found() == []


def test_outage_over_the_boundary_is_no_missing_restart() -> None:
    _, cards = fleet()
    store(cards, waiting(HOUR))

    assert found(now=BEGINS + 30 * HOUR) == []
    store(cards, waiting(23 * HOUR))
    assert found(now=BEGINS + 30 * HOUR) == []
    store(cards, waiting(25 * HOUR))
    assert found(now=BEGINS + 30 * HOUR) == [FindingKind.NO_RESTART]


def test_missed_restarts_are_evidence_and_zeros_are_none() -> None:
    carrier, cards = fleet()
    store(cards, replace(METER, restart=Restart.MISSED))
    assert found() == [FindingKind.NO_RESTART]
    assert CounterSurvey.objects.get(carrier=carrier).awaited == 12

    # A counter that was at 0 when the cycle began may have restarted unseen.
    CounterFinding.objects.all().delete()
    store(cards, replace(METER, raw_mb=METER.used_mb))
    assert found() == []
    assert CounterSurvey.objects.get(carrier=carrier).awaited == 0


JULY = datetime(2026, 7, 1, tzinfo=UTC)


def test_missing_restarts_are_found_until_restarts_are_seen() -> None:
    _, cards = fleet()
    store(cards, METER)
    assert found() == [FindingKind.NO_RESTART]

    assert found(now=JULY + timedelta(minutes=5)) == [FindingKind.NO_RESTART]
    assert CounterFinding.objects.get().details == {"cards": 12}
    store(cards[:3], replace(METER, cycle_start=JULY.date(), measured_at=JULY + HOUR))
    assert found(now=JULY + HOUR) == [FindingKind.NO_RESTART]

    before = Before(Decimal(900), Decimal(5), Decimal(900), Restart.AWAITED, JULY + HOUR)
    seen = Meter(JULY.date(), Decimal(1), Decimal(1), JULY + HOUR, restart=Restart.SEEN, before=before)
    store(cards[3:5], seen)
    assert found(now=JULY + HOUR) == []
    assert found(now=JULY + 2 * HOUR) == []


@pytest.mark.parametrize("change", [{"counter": "lifetime"}, {"time_zone": "Asia/Tokyo"}])
def test_corrected_carrier_ends_findings_of_older_cycles(change: dict[str, str]) -> None:
    carrier, cards = fleet()
    store(cards, METER)
    assert found() == [FindingKind.NO_RESTART]

    with time_machine.travel(JULY - timedelta(days=2), tick=False):
        carrier.refresh_from_db()
        vars(carrier).update(change)
        carrier.save()
    assert found(now=JULY + HOUR) == []


def test_late_restarts_are_found_until_the_next_restarts() -> None:
    _, cards = fleet()
    store(cards, waiting(7 * HOUR))
    found(now=BEGINS + 7 * HOUR)
    store(cards, restarted(8 * HOUR))
    assert found() == [FindingKind.LATE_RESTART]

    # Counters that restart late are not said to never restart.
    store(cards, replace(METER, cycle_start=JULY.date(), measured_at=JULY + 90 * HOUR))
    assert found(now=JULY + 90 * HOUR) == [FindingKind.LATE_RESTART]
    store(cards, replace(METER, cycle_start=JULY.date(), measured_at=JULY + 101 * HOUR))
    assert found(now=JULY + 101 * HOUR) == [FindingKind.NO_RESTART]


def test_corrected_time_zone_ends_the_finding() -> None:
    carrier, cards = fleet()
    Carrier.objects.update(time_zone="America/Los_Angeles")
    late = restarted(timedelta(hours=2))
    store(cards, late)
    assert found() == [FindingKind.EARLY_RESTART]

    # By now, the meters have forgotten their restarts.
    store(cards, replace(late, before=None))
    with time_machine.travel(NOW + timedelta(hours=1), tick=False):
        carrier.refresh_from_db()
        carrier.time_zone = "UTC"
        carrier.save()
    assert found(now=NOW + timedelta(hours=2)) == []


SMALL = Meter(BEGINS.date(), Decimal(5), Decimal(5), NOW, Decimal(150), Restart.SEEN)


def risen(new_mb: int, *, at: datetime = NOW, last_mb: int = 150) -> Meter:
    """Return a meter whose counter has risen from 5 to `new_mb`, which was believed and flagged."""
    new = Decimal(new_mb)
    before = Before(Decimal(5), Decimal(5), Decimal(last_mb), Restart.SEEN, at)
    uncertainty = Uncertainty(Doubt.SUDDEN_RISE, at, over_mb=new - 5)
    return Meter(
        BEGINS.date(), new, new, at, Decimal(last_mb), Restart.SEEN, before=before, uncertainty=uncertainty
    )


def test_held_rises_are_found_for_as_long_as_they_last() -> None:
    _, cards = fleet()
    store(cards, replace(SMALL, suspect=Suspect(Decimal(999_999_999), NOW)))

    assert found() == [FindingKind.SUDDEN_RISE]
    # The readings of this card contradict its meter, so the time of its meter stands still.
    assert found(now=NOW + timedelta(days=5)) == [FindingKind.SUDDEN_RISE]

    store(cards, replace(SMALL, measured_at=NOW + timedelta(days=6)))
    assert found(now=NOW + timedelta(days=6)) == []


def test_believed_rises_are_found_until_their_doubts_end() -> None:
    _, cards = fleet()
    rise = risen(5000)
    store(cards, rise)

    assert found() == [FindingKind.SUDDEN_RISE]
    # Meters forget what the counter was before the rise.
    store(cards, replace(rise, before=None))
    assert found(now=NOW + timedelta(days=12)) == [FindingKind.SUDDEN_RISE]
    assert CounterFinding.objects.get().details == {"cards": 12, "at": NOW.isoformat()}

    store(cards, replace(rise, before=None, uncertainty=None))
    assert found(now=NOW + timedelta(days=12)) == []


def test_rises_that_no_survey_saw_are_over_with_their_cycle() -> None:
    _, cards = fleet()
    store(cards, risen(5000))

    assert found(now=BEGINS + timedelta(days=30, hours=1)) == []


def test_rises_outlast_their_cycle_until_a_person_dismisses_them(client: Client) -> None:
    _, cards = fleet()
    store(cards, risen(5000))
    assert found() == [FindingKind.SUDDEN_RISE]
    next_cycle = BEGINS + timedelta(days=30, hours=1)
    store(cards, Meter(next_cycle.date(), Decimal(300), Decimal(300), next_cycle, restart=Restart.SEEN))

    assert found(now=next_cycle) == [FindingKind.SUDDEN_RISE]
    assert found(now=next_cycle + HOUR) == [FindingKind.SUDDEN_RISE]

    client.force_login(UserFactory.create(role="operator", is_staff=True))
    chosen = {"action": "dismiss", "_selected_action": [CounterFinding.objects.get().pk]}
    post(client, CounterFinding, "changelist", chosen)
    assert CounterFinding.objects.exists()
    post(client, CounterFinding, "changelist", {**chosen, "confirmed": "yes"})
    assert not CounterFinding.objects.exists()
    assert Operation.objects.get().action == "deleted"
    assert found(now=next_cycle + 2 * HOUR) == []


def test_rises_of_one_gateway_are_found() -> None:
    carrier, cards = fleet(30)
    gateway = GatewayFactory.create(carrier=carrier)
    for card in cards[:12]:
        card.gateway = gateway
        card.save()
    store(cards[12:], SMALL)
    store(cards[:12], risen(5000))

    assert found() == [FindingKind.SUDDEN_RISE]
    assert CounterFinding.objects.get().details["cards"] == 12


def test_rises_of_tiny_cards_by_a_thousand_are_found() -> None:
    _, cards = fleet()
    tiny = Before(Decimal("0.2"), Decimal("0.2"), Decimal(9), Restart.SEEN, NOW)
    store(cards, replace(risen(200), raw_mb=Decimal(201), before=tiny))
    assert found() == [FindingKind.SUDDEN_RISE]

    store(cards, replace(risen(200), raw_mb=Decimal(201), before=replace(tiny, raw_mb=Decimal(2))))
    assert found() == []


@pytest.mark.parametrize(("minutes", "expected"), [(0, [FindingKind.LATE_RESTART]), (480, [])])
def test_restarts_that_are_late_as_declared_are_on_time(minutes: int, expected: list[FindingKind]) -> None:
    _, cards = fleet(figures_delay_minutes=minutes)
    store(cards, waiting(7 * HOUR))
    counter_survey.publish(now=BEGINS + 7 * HOUR)
    store(cards, restarted(8 * HOUR))

    assert found() == expected


@pytest.mark.parametrize(("minutes", "expected"), [(0, [FindingKind.NO_RESTART]), (2880, [])])
def test_restarts_are_missing_only_after_the_declared_delay(
    minutes: int, expected: list[FindingKind]
) -> None:
    _, cards = fleet(figures_delay_minutes=minutes)
    store(cards, METER)

    assert found() == expected


def test_first_megabytes_after_a_restart_are_no_rise() -> None:
    _, cards = fleet()
    # A hundredfold rise of a counter near 0 is usage.
    store(cards, risen(600))
    assert found() == []

    # On the first day, so is a rise that stays below the usage of the whole month before.
    store(cards, risen(1600, at=BEGINS + 20 * HOUR, last_mb=50_000))
    assert found() == []
    store(cards, risen(1600, at=BEGINS + 25 * HOUR, last_mb=50_000))
    assert found() == [FindingKind.SUDDEN_RISE]
    store(cards, risen(5000, at=BEGINS + 20 * HOUR, last_mb=150))
    assert found() == [FindingKind.SUDDEN_RISE]


def test_first_day_begins_when_the_counters_restart() -> None:
    _, cards = fleet()
    store(cards, restarted(8 * HOUR))
    counter_survey.publish(now=NOW)
    store(cards, risen(1600, at=BEGINS + 30 * HOUR, last_mb=50_000))

    assert FindingKind.SUDDEN_RISE not in found()


def test_first_reading_that_is_held_is_no_rise() -> None:
    _, cards = fleet()
    unread = Meter(BEGINS.date(), Decimal(0), Decimal(0), NOW, suspect=Suspect(Decimal(90_000), NOW))
    store(cards, unread)

    assert found() == []


def answering_gateway(carrier: Carrier) -> Gateway:
    gateway = GatewayFactory.create(carrier=carrier, is_default=True)
    MinuteStat.objects.create(
        minute=NOW - timedelta(minutes=2),
        task_type="carddata",
        gateway_id=gateway.pk,
        success=40,
        histogram=[],
    )
    return gateway


def test_figures_that_stand_still_name_the_gateway() -> None:
    carrier, cards = fleet(counter="lifetime")
    gateway = answering_gateway(carrier)
    store(cards, OLD)

    assert found() == [FindingKind.STALE]
    finding = CounterFinding.objects.get()
    assert finding.gateway == gateway
    assert str(finding) == f"the figures of {gateway.name} have not moved for 9 hours, although it answers"

    Carrier.objects.update(stamp_grain="day")
    assert found() == []


def test_stopped_and_held_cards_do_not_make_figures_stale() -> None:
    carrier, cards = fleet(counter="lifetime")
    answering_gateway(carrier)
    # Zeros of stopped cards, and readings that are held, do not move the meter's time.
    store(cards, replace(OLD, suspect=Suspect(Decimal(0), NOW - 8 * HOUR)))
    assert found() == []

    store(cards, OLD)
    Card.objects.update(network_status=Card.NetworkStatus.STOPPED)
    assert found() == []

    Card.objects.filter(pk=cards[0].pk).update(network_status=Card.NetworkStatus.ONLINE)
    assert found() == [FindingKind.STALE]


def test_fresh_figures_of_stopped_cards_hide_no_stale_ones() -> None:
    carrier, cards = fleet(counter="lifetime")
    answering_gateway(carrier)
    store(cards, OLD)
    store(cards[:1], replace(OLD, measured_at=NOW))
    Card.objects.filter(pk=cards[0].pk).update(network_status=Card.NetworkStatus.STOPPED)

    assert found() == [FindingKind.STALE]


def test_meters_of_another_carrier_are_no_evidence() -> None:
    carrier, cards = fleet()
    other, _ = fleet(0, code="southwind")
    doubtful = replace(METER, uncertainty=Uncertainty(Doubt.NOT_RESTARTED, NOW, under_mb=Decimal(900)))
    store(cards, replace(doubtful, carrier_id=other.pk))

    assert found() == []
    survey = CounterSurvey.objects.get(carrier=carrier)
    assert (survey.cards, survey.awaited) == (0, 0)
    assert survey.uncertain == {"not_restarted": 12}

    store(cards, replace(doubtful, carrier_id=carrier.pk))
    assert found() == [FindingKind.NO_RESTART]


@pytest.mark.django_db(transaction=True)
def test_concurrent_surveys_store_each_finding_once() -> None:
    _, cards = fleet()
    store(cards, METER)
    kinds: list[list[str]] = []

    def survey() -> None:
        try:
            kinds.append(found())
        finally:
            connection.close()

    threads = [Thread(target=survey) for _ in range(2)]
    with transaction.atomic(), connection.cursor() as cursor:
        # Nothing can be stored while this lock is held, so both surveys are under way when it is released.
        cursor.execute("LOCK TABLE cards_counterfinding IN SHARE MODE")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(0.5)
    for thread in threads:
        thread.join(10)

    assert kinds == [[FindingKind.NO_RESTART], [FindingKind.NO_RESTART]]
    assert CounterFinding.objects.count() == 1
    assert CounterSurvey.objects.count() == 1


def test_doctor_names_findings_and_uncertain_cards() -> None:
    carrier, cards = fleet()
    assert [finding.detail.partition(";")[0] for finding in counters.examine()] == ["not surveyed yet"]
    counter_survey.publish(now=NOW)
    assert [finding.verdict for finding in counters.examine()] == [Verdict.OK]

    store(cards, METER)
    store(
        cards[:3],
        Meter(
            BEGINS.date(), Decimal(5), Decimal(905), NOW, restart=Restart.AWAITED,
            uncertainty=Uncertainty(Doubt.NOT_RESTARTED, NOW, under_mb=Decimal(900)),
        ),
    )  # fmt: skip
    counter_survey.publish(now=NOW)

    wrong, uncertain = counters.examine()
    assert wrong.verdict is Verdict.TROUBLE
    assert wrong.detail.startswith(f"none of 12 counters of {carrier} restarts with its cycle")
    assert uncertain.detail == f"the usage of some cards of {carrier} is uncertain: not restarted 3"


def test_tariffs_know_that_the_other_counters_have_restarted() -> None:
    carrier, cards = fleet()
    now = ConfigSnapshot.read().now
    cycle = carrier.calendar.cycle_of(now)
    store(cards, METER)
    assert ConfigSnapshot.read().tariffs[carrier.pk].restarted_cycle != cycle

    CounterSurvey.objects.create(
        carrier=carrier, surveyed_at=now, cycle_start=cycle, cards=12, restarted=12, awaited=0
    )
    assert ConfigSnapshot.read().tariffs[carrier.pk].restarted_cycle == cycle
    CounterSurvey.objects.update(cycle_start=BEGINS.date().replace(year=2020))
    assert ConfigSnapshot.read().tariffs[carrier.pk].restarted_cycle != cycle


def test_cards_whose_figures_stand_still_are_counted() -> None:
    carrier, cards = fleet(figures_delay_minutes=60)
    store(cards, replace(OLD, measured_at=NOW - 7 * HOUR))
    for hours, card in enumerate(cards[:9]):
        CheckState.objects.create(card=card, type="carddata", checked_at=NOW - hours * HOUR + HOUR / 2)
    stopped, contradicted = cards[:2]
    Card.objects.filter(pk=stopped.pk).update(network_status="stopped")
    CardUsage.objects.filter(card=contradicted).update(suspect_raw_mb=3, suspect_since=NOW)
    CheckState.objects.filter(card=cards[2]).update(checked_at=NOW + HOUR)

    counter_survey.publish(now=NOW)

    assert CounterSurvey.objects.get(carrier=carrier).uncertain == {"suspect": 1, "stale": 1}
    assert [meter.card for meter in CardUsage.objects.all() if meter.is_stale] == [cards[2]]


def test_unreadable_time_zone_hides_no_other_carrier() -> None:
    _, cards = fleet()
    store(cards, METER)
    broken, _ = fleet(code="broken")
    Carrier.objects.filter(pk=broken.pk).update(time_zone="Nowhere/Land")

    assert found() == [FindingKind.NO_RESTART]
    (unreadable,) = own_faults.carriers()
    assert unreadable.detail == "its time zone 'Nowhere/Land' cannot be read: its cards fail"

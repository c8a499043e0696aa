"""Count the cards of each profile and gateway, and record the intervals at which they are scheduled."""

from collections.abc import Collection, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, cast

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from redis import Redis

from cards.models import CheckType
from polling.checks.card_profile import PROFILE_COLUMNS, PROFILE_FIELDS, CardProfile
from polling.checks.registry import CHECKS
from polling.models import ClassCensus, PollingConfig
from polling.policy.card_reader import Group
from polling.policy.matching import interval_for
from polling.policy.rules import Rules
from polling.schedule import keys
from polling.schedule.progress import Fields

Intervals = dict[str, int | None]
# Marks a census row as outdated. A planned interval is never 0, because it is None if the check is off.
OUTDATED = 0


def take(rules: Rules) -> None:
    """Recount all cards, and set all intervals according to `rules`.

    Use this only if all cards have just been scheduled according to `rules`.
    """
    _count(rules, keep_intervals=False)


def refresh(rules: Rules) -> None:
    """Recount all cards, and keep the intervals of known rows.

    A new row gets the intervals of a known row with the same profile. If there is none, it gets the intervals
    that `rules` give.
    """
    _count(rules, keep_intervals=True)


def record_planned(cards: Sequence[int], rules: Rules) -> None:
    """Add missing census rows for `cards`, with the intervals that `rules` give.

    The new rows count 0 cards until the next recount.
    """
    groups = _count_groups("card.id = ANY(%s)", [list(cards)])
    known = {group_of(row): row for row in ClassCensus.objects.all()}
    # A recount may delete a row that counts no cards, so store a count of 1 until the next recount.
    for empty in sorted(known[group].pk for group in groups if group in known and not known[group].cards):
        ClassCensus.objects.filter(pk=empty, cards=0).update(cards=1)
    # Insert known rows as well, because a recount may have deleted them since they were read above.
    rows = [_row(group, 0, rules) for group in sorted(groups, key=repr)]
    ClassCensus.objects.bulk_create(rows, ignore_conflicts=True)


def rows_of(profiles: Collection[CardProfile]) -> QuerySet[ClassCensus]:
    """Return the census rows of these profiles for all gateways."""
    return ClassCensus.objects.filter(
        reduce(or_, (Q(**profile._asdict()) for profile in profiles), Q(pk=None))
    )


def mark_outdated(rows: QuerySet[ClassCensus], check_type: CheckType) -> None:
    """Mark rows as outdated for one check, so that their cards are rescheduled within seconds.

    Rows whose cards do not get this check are not marked.
    """
    with transaction.atomic():
        locked = _locked(rows.exclude(**{_field(check_type): None}))
        ClassCensus.objects.filter(pk__in=[row.pk for row in locked]).update(**{_field(check_type): OUTDATED})


def mark_all_outdated(rows: QuerySet[ClassCensus]) -> None:
    """Mark rows as outdated for every check, so that their cards are rescheduled within seconds."""
    for check_type in CHECKS:
        mark_outdated(rows, check_type)


def outdated(rules: Rules) -> list[tuple[ClassCensus, Intervals]]:
    """Return (row, new intervals) for each row whose intervals differ from what `rules` give."""
    outdated_rows = []
    for row in ClassCensus.objects.order_by("id"):
        intervals = intervals_for(group_of(row), rules)
        if any(getattr(row, field) != interval for field, interval in intervals.items()):
            outdated_rows.append((row, intervals))
    return outdated_rows


def intervals_for(group: Group, rules: Rules) -> Intervals:
    """Return field of the census row -> interval in seconds, or None if the group does not get the check."""
    intervals: Intervals = {}
    for check_type in CheckType:
        interval = rules.interval_for(group, check_type)
        intervals[_field(check_type)] = int(interval.total_seconds()) if interval else None
    return intervals


def profile_of(row: ClassCensus) -> CardProfile:
    """Return the profile of the cards that a row counts."""
    return CardProfile._make(getattr(row, field) for field in PROFILE_FIELDS)


def group_of(row: ClassCensus) -> Group:
    """Return the group of the cards that a row counts."""
    return Group(profile_of(row), row.gateway_id)


def cards_by_group() -> dict[Group, int]:
    """Return the number of cards of each group, as last counted."""
    return {group_of(row): row.cards for row in ClassCensus.objects.all()}


def publish(redis: Redis) -> None:
    """Write to Redis how many cards want each check. This number should equal `scheduled + parked`."""
    configs = tuple(PollingConfig.objects.in_force())
    wanted = {check_type.value: 0 for check_type in CHECKS}
    for row in ClassCensus.objects.all():
        for check_type in CHECKS:
            # The interval of an outdated row is unknown, so the configs decide whether its cards want the
            # check.
            planned = row.interval_of(check_type)
            if planned or (planned == OUTDATED and interval_for(profile_of(row), check_type, configs)):
                wanted[check_type.value] += row.cards
    redis.hset(keys.WANTED, mapping=cast(Fields, wanted))


def _count(rules: Rules, *, keep_intervals: bool) -> None:
    if not keep_intervals:
        # Set the intervals before counting. Setting them later would remove the mark of a row that became
        # outdated during the count.
        _set_intervals(rules)
    with transaction.atomic(), connection.cursor() as cursor:
        # This lock makes only other recounts wait. `record_planned` may still add rows at any time.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('polling_classcensus'))")
        known = {group_of(row): row for row in ClassCensus.objects.all()}
        counted = _count_groups()
        _locked(ClassCensus.objects.all())
        _forget_empty([row for group, row in known.items() if group not in counted])
        for group in counted.keys() & known.keys():
            known[group].cards = counted[group]
        kept = [known[group] for group in counted.keys() & known.keys()]
        ClassCensus.objects.bulk_update(kept, ["cards"], batch_size=500)
        unknown = sorted(counted.keys() - known.keys(), key=repr)
        new = [_row(group, counted[group], rules) for group in unknown]
        same_profile = {profile_of(row): row for row in known.values()}
        for row in new:
            # Cards that have only changed their gateway were not rescheduled. They still have the intervals
            # of a row with the same profile, so copy those intervals.
            if keep_intervals and profile_of(row) in same_profile:
                _copy_intervals(same_profile[profile_of(row)], row)
        # If `record_planned` has added the same row in the meantime, update its count and keep its intervals.
        ClassCensus.objects.bulk_create(
            new, update_conflicts=True, unique_fields=[*PROFILE_FIELDS, "gateway"], update_fields=["cards"]
        )


def _set_intervals(rules: Rules) -> None:
    with transaction.atomic():
        rows = _locked(ClassCensus.objects.all())
        for row in rows:
            for field, interval in intervals_for(group_of(row), rules).items():
                setattr(row, field, interval)
        fields = [_field(check_type) for check_type in CheckType]
        ClassCensus.objects.bulk_update(rows, fields, batch_size=500)


def _locked(rows: QuerySet[ClassCensus]) -> list[ClassCensus]:
    # Always lock rows in the same order, so that counting rows and marking rows as outdated cannot deadlock.
    return list(rows.order_by("pk").select_for_update(no_key=True))


def _forget_empty(rows: Sequence[ClassCensus]) -> None:
    # Delete a row only after two successive recounts have found no cards for it, because a card may be about
    # to join the row (see `record_planned`).
    ClassCensus.objects.filter(pk__in=[row.pk for row in rows if not row.cards], cards=0).delete()
    ClassCensus.objects.filter(pk__in=[row.pk for row in rows if row.cards]).update(cards=0)


def _copy_intervals(source: ClassCensus, target: ClassCensus) -> None:
    for check_type in CheckType:
        setattr(target, _field(check_type), source.interval_of(check_type))


def _field(check_type: CheckType) -> str:
    return f"{check_type.value}_interval"


def _count_groups(condition: str = "true", values: Sequence[Any] = ()) -> Mapping[Group, int]:
    # Group by column positions, so that the long expressions appear only once.
    positions = ", ".join(str(position) for position in range(1, len(PROFILE_FIELDS) + 2))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {PROFILE_COLUMNS}, card.gateway_id, count(*) FROM cards_card AS card
            WHERE card.deleted_at IS NULL AND {condition} GROUP BY {positions}
            """,
            values,
        )
        return {Group(CardProfile._make(row[:-2]), row[-2]): row[-1] for row in cursor.fetchall()}


def _row(group: Group, cards: int, rules: Rules) -> ClassCensus:
    return ClassCensus(
        **group.profile._asdict(),
        gateway_id=group.gateway_id,
        cards=cards,
        **intervals_for(group, rules),
    )

"""Counts the cards of each class, and remembers how often the schedule has each class checked."""

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
# As an interval, which no config says: the class counts as outdated.
TO_BE_PLANNED = 0


def take(rules: Rules) -> None:
    """Count anew; the whole schedule has just been planned by `rules`."""
    _count(rules, keep_intervals=False)


def refresh(rules: Rules) -> None:
    """Count anew; the schedule stands as it stood, and classes that nobody knew were planned by `rules`."""
    _count(rules, keep_intervals=True)


def note(cards: Sequence[int], rules: Rules) -> None:
    """These cards have been planned by `rules`; a class that nobody knew is counted later."""
    groups = _counted("card.id = ANY(%s)", [list(cards)])
    known = {group_of(row): row for row in ClassCensus.objects.all()}
    # One that had no card any more is about to be deleted, unless it has one.
    for empty in sorted(known[group].pk for group in groups if group in known and not known[group].cards):
        ClassCensus.objects.filter(pk=empty, cards=0).update(cards=1)
    # All of them: one that was known may have been deleted while we looked.
    rows = [_row(group, 0, rules) for group in sorted(groups, key=repr)]
    ClassCensus.objects.bulk_create(rows, ignore_conflicts=True)


def rows_of(classes: Collection[CardProfile]) -> QuerySet[ClassCensus]:
    """What is known of these classes, at whichever gateway."""
    return ClassCensus.objects.filter(reduce(or_, (Q(**one._asdict()) for one in classes), Q(pk=None)))


def outdate(rows: QuerySet[ClassCensus], check_type: CheckType) -> None:
    """Have the cards of these rows planned anew within seconds, those that are checked at all."""
    with transaction.atomic():
        locked = _locked(rows.exclude(**{_field(check_type): None}))
        ClassCensus.objects.filter(pk__in=[row.pk for row in locked]).update(
            **{_field(check_type): TO_BE_PLANNED}
        )


def outdate_all(rows: QuerySet[ClassCensus]) -> None:
    """The same of every check."""
    for check_type in CHECKS:
        outdate(rows, check_type)


def outdated(rules: Rules) -> list[tuple[ClassCensus, Intervals]]:
    """The classes whose cards the schedule has at other intervals than `rules` say, with the right ones."""
    found = []
    for row in ClassCensus.objects.order_by("id"):
        intervals = intervals_for(group_of(row), rules)
        if any(getattr(row, field) != interval for field, interval in intervals.items()):
            found.append((row, intervals))
    return found


def intervals_for(group: Group, rules: Rules) -> Intervals:
    """The fields of a census row: seconds per check, None where it is not made."""
    intervals: Intervals = {}
    for check_type in CheckType:
        interval = rules.interval_for(group, check_type)
        intervals[_field(check_type)] = int(interval.total_seconds()) if interval else None
    return intervals


def class_of(row: ClassCensus) -> CardProfile:
    """What matching looks at."""
    return CardProfile._make(getattr(row, field) for field in PROFILE_FIELDS)


def group_of(row: ClassCensus) -> Group:
    """What it counts."""
    return Group(class_of(row), row.gateway_id)


def counted() -> dict[Group, int]:
    """How many cards there are of each group, as they were last counted."""
    return {group_of(row): row.cards for row in ClassCensus.objects.all()}


def publish(redis: Redis) -> None:
    """Tell Redis how many cards want each check: what scheduled + parked is held against."""
    configs = tuple(PollingConfig.objects.in_force())
    wanted = {check_type.value: 0 for check_type in CHECKS}
    for row in ClassCensus.objects.all():
        for check_type in CHECKS:
            # One that is to be planned anew is wanted when the configs say so.
            planned = row.interval_of(check_type)
            if planned or (planned == TO_BE_PLANNED and interval_for(class_of(row), check_type, configs)):
                wanted[check_type.value] += row.cards
    redis.hset(keys.WANTED, mapping=cast(Fields, wanted))


def _count(rules: Rules, *, keep_intervals: bool) -> None:
    """Nobody waits for it but others who count: drains note classes all the time."""
    if not keep_intervals:
        # Before counting: who outdates a class meanwhile does so after this.
        _set_intervals(rules)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('polling_classcensus'))")
        known = {group_of(row): row for row in ClassCensus.objects.all()}
        counted = _counted()
        _locked(ClassCensus.objects.all())
        _forget_empty([row for group, row in known.items() if group not in counted])
        for group in counted.keys() & known.keys():
            known[group].cards = counted[group]
        kept = [known[group] for group in counted.keys() & known.keys()]
        ClassCensus.objects.bulk_update(kept, ["cards"], batch_size=500)
        strangers = sorted(counted.keys() - known.keys(), key=repr)
        new = [_row(group, counted[group], rules) for group in strangers]
        same_class = {class_of(row): row for row in known.values()}
        for row in new:
            # Cards that have only got another gateway stand in the schedule as they stood.
            if keep_intervals and class_of(row) in same_class:
                _copy_intervals(same_class[class_of(row)], row)
        # One that somebody has noted meanwhile keeps the intervals that he planned by.
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
    # In one order: who counts and who outdates must not wait for each other.
    return list(rows.order_by("pk").select_for_update(no_key=True))


def _forget_empty(rows: Sequence[ClassCensus]) -> None:
    """A class without cards goes when it is found so twice: a card may just be joining it (see `note`)."""
    ClassCensus.objects.filter(pk__in=[row.pk for row in rows if not row.cards], cards=0).delete()
    ClassCensus.objects.filter(pk__in=[row.pk for row in rows if row.cards]).update(cards=0)


def _copy_intervals(source: ClassCensus, target: ClassCensus) -> None:
    for check_type in CheckType:
        setattr(target, _field(check_type), source.interval_of(check_type))


def _field(check_type: CheckType) -> str:
    return f"{check_type.value}_interval"


def _counted(which: str = "true", values: Sequence[Any] = ()) -> Mapping[Group, int]:
    # By their places: an expression that is grouped by is named once.
    places = ", ".join(str(place) for place in range(1, len(PROFILE_FIELDS) + 2))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {PROFILE_COLUMNS}, card.gateway_id, count(*) FROM cards_card AS card
            WHERE card.deleted_at IS NULL AND {which} GROUP BY {places}
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

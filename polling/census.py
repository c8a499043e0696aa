"""Counts the cards of each class, and remembers how often the schedule has each class checked."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple

from django.db import connection, transaction

from cards.models import CheckType
from polling.matching import CardClass, interval_for
from polling.models import ClassCensus, PollingConfig
from polling.planning import CLASS_FIELDS

Intervals = dict[str, int | None]


def take(configs: Sequence[PollingConfig]) -> None:
    """Count anew, in one pass over the cards; the schedule has just been planned by `configs`."""
    columns = ", ".join(CLASS_FIELDS)
    with transaction.atomic(), connection.cursor() as cursor:
        # Two walks may count at the same time; the later one stays.
        cursor.execute("LOCK TABLE polling_classcensus IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(
            f"SELECT {columns}, count(*) FROM cards_card WHERE deleted_at IS NULL GROUP BY {columns}"
        )
        classes = [(CardClass(*row[:-1]), row[-1]) for row in cursor.fetchall()]
        ClassCensus.objects.all().delete()
        ClassCensus.objects.bulk_create(_row(card, cards, configs) for card, cards in classes)


def note(classes: Iterable[CardClass], configs: Sequence[PollingConfig]) -> None:
    """Cards of these classes have been planned by `configs`; classes that are new are counted by the next walk."""
    ClassCensus.objects.bulk_create([_row(card, 0, configs) for card in set(classes)], ignore_conflicts=True)


def outdated(configs: Sequence[PollingConfig]) -> list[tuple[ClassCensus, Intervals]]:
    """The classes whose cards the schedule has at other intervals than `configs` say, with the right ones."""
    found = []
    for row in ClassCensus.objects.order_by("id"):
        intervals = intervals_for(class_of(row), configs)
        if any(getattr(row, field) != interval for field, interval in intervals.items()):
            found.append((row, intervals))
    return found


def intervals_for(card: CardClass, configs: Sequence[PollingConfig]) -> Intervals:
    """The fields of a census row: seconds per check, None where it is not made."""
    intervals: Intervals = {}
    for check_type in CheckType:
        interval = interval_for(card, check_type, configs)
        intervals[f"{check_type.value}_interval"] = int(interval.total_seconds()) if interval else None
    return intervals


def class_of(row: ClassCensus) -> CardClass:
    """What matching looks at."""
    return CardClass(*(getattr(row, field) for field in CLASS_FIELDS))


def cards_in(classes: Sequence[CardClass], *, after: int, count: int) -> list[tuple[int, CardClass]]:
    """The next `count` cards of these classes by primary key."""
    columns = ", ".join(f"card.{field}" for field in CLASS_FIELDS)
    places = ", ".join([f"({', '.join(['%s'] * len(CLASS_FIELDS))})"] * len(classes))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT card.id, {columns} FROM cards_card AS card
            WHERE card.deleted_at IS NULL AND card.id > %s AND ({columns}) IN ({places})
            ORDER BY card.id LIMIT %s
            """,
            [after, *(value for card in classes for value in astuple(card)), count],
        )
        return [(row[0], CardClass(*row[1:])) for row in cursor.fetchall()]


def _row(card: CardClass, cards: int, configs: Sequence[PollingConfig]) -> ClassCensus:
    fields = dict(zip(CLASS_FIELDS, astuple(card), strict=True))
    return ClassCensus(**fields, cards=cards, **intervals_for(card, configs))

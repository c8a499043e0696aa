"""Load and store meters, and append to the history of usage, in batches."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

from django.db import connection

from cards.meter import Before, Doubt, Meter, Reading, Restart, Step, Suspect, Uncertainty
from common.arrays import array

# The columns of cards_cardusage and their PostgreSQL types. Almost all meters are plain: all columns but these
# first ones are empty. Plain meters are read and written without the other columns, which costs half as much.
PLAIN_COLUMNS: Final = {
    "cycle_start": "date",
    "used_mb": "numeric",
    "raw_mb": "numeric",
    "measured_at": "timestamptz",
    "last_month_total_mb": "numeric",
    "restart": "text",
    "carrier_id": "bigint",
}
OTHER_COLUMNS: Final = {
    "lower_since": "timestamptz",
    "suspect_raw_mb": "numeric",
    "suspect_since": "timestamptz",
    "before_raw_mb": "numeric",
    "before_used_mb": "numeric",
    "before_last_mb": "numeric",
    "before_restart": "text",
    "before_at": "timestamptz",
    "before_first_mb": "numeric",
    "doubt": "text",
    "doubt_since": "timestamptz",
    "over_mb": "numeric",
    "under_mb": "numeric",
    "last_over_mb": "numeric",
    "last_under_mb": "numeric",
    "last_start": "date",
    "first_mb": "numeric",
}
METER_COLUMNS: Final = PLAIN_COLUMNS | OTHER_COLUMNS
# The SQL condition for a plain meter. It agrees with `Meter.is_plain`.
IS_PLAIN: Final = (
    "num_nonnulls(lower_since, suspect_since, before_at, doubt, last_start) = 0 "
    "AND last_over_mb = 0 AND last_under_mb = 0 AND first_mb = 0"
)
# The SQL condition for a meter of which no usage is certain. It agrees with `Meter.is_provisional`.
IS_PROVISIONAL: Final = """(
    meter.restart IN ('awaited', 'unknown', 'likely')
    OR (meter.before_restart IN ('awaited', 'unknown', 'likely') AND meter.before_at = meter.measured_at
        AND meter.raw_mb < meter.before_raw_mb)
)"""
# The SQL expression for the usage that only the latest reading shows. It agrees with `Meter.unconfirmed_mb`.
UNCONFIRMED_MB: Final = """(
    CASE WHEN meter.before_at = meter.measured_at AND meter.before_raw_mb < meter.raw_mb
        THEN meter.used_mb - meter.before_used_mb ELSE 0 END
)"""
_plain_values: Final = attrgetter(*PLAIN_COLUMNS)
_RESTARTS: Final = {restart.value: restart for restart in Restart}


def _upsert(columns: Mapping[str, str]) -> str:
    return f"""
        INSERT INTO cards_cardusage (card_id, {", ".join(columns)})
        SELECT * FROM unnest(%s::bigint[], {", ".join(f"%s::{kind}[]" for kind in columns.values())})
        ON CONFLICT (card_id) DO UPDATE SET {", ".join(f"{name} = EXCLUDED.{name}" for name in columns)}
    """


_STORE_PLAIN: Final = _upsert(PLAIN_COLUMNS)
_STORE: Final = _upsert(METER_COLUMNS)
_READ_PLAIN: Final = f"""
    SELECT card_id, {IS_PLAIN}, {", ".join(PLAIN_COLUMNS)} FROM cards_cardusage WHERE card_id = ANY(%s::bigint[])
"""
_READ: Final = (
    f"SELECT card_id, {', '.join(METER_COLUMNS)} FROM cards_cardusage WHERE card_id = ANY(%s::bigint[])"
)


@dataclass(frozen=True)
class UsageLine:
    """One row of the history of a card's usage, in megabytes. `delta_mb` counts in the cycle `cycle_start`.

    `Step.reason` explains `reason`.
    """

    card_id: int
    cycle_start: date
    measured_at: datetime
    raw_mb: Decimal
    used_mb: Decimal
    delta_mb: Decimal
    reason: str | None = None


def meters_of(cards: Collection[int]) -> dict[int, Meter]:
    """Return card id -> meter. Cards that have no meter yet are left out."""
    meters: dict[int, Meter] = {}
    others: list[int] = []
    with connection.cursor() as cursor:
        cursor.execute(_READ_PLAIN, [array(cards)])
        for card_id, is_plain, *values in cursor.fetchall():
            if is_plain:
                meters[card_id] = meter_from(values)
            else:
                others.append(card_id)
        if others:
            cursor.execute(_READ, [array(others)])
            meters |= {card_id: meter_from(values) for card_id, *values in cursor.fetchall()}
    return meters


def meter_from(values: Sequence[Any]) -> Meter:
    """Return the meter whose columns have these values, in the order of `PLAIN_COLUMNS` or `METER_COLUMNS`."""
    cycle_start, used_mb, raw_mb, measured_at, last_mb, restart, carrier_id, *others = values
    plain = (cycle_start, used_mb, raw_mb, measured_at, last_mb, _RESTARTS[restart], carrier_id)
    if not others:
        return Meter(*plain)
    lower_since, suspect_raw, suspect_since, *others = others
    before_raw, before_used, before_last, before_restart, before_at, before_first, *others = others
    doubt, doubt_since, over, under, last_over, last_under, last_start, first = others
    return Meter(
        *plain,
        lower_since=lower_since,
        suspect=Suspect(suspect_raw, suspect_since) if suspect_since else None,
        before=Before(before_raw, before_used, before_last, Restart(before_restart), before_at, before_first)
        if before_at
        else None,
        uncertainty=Uncertainty(Doubt(doubt), doubt_since, over, under) if doubt else None,
        last_over_mb=last_over,
        last_under_mb=last_under,
        last_start=last_start,
        first_mb=first,
    )


def values_of(meter: Meter) -> tuple[Any, ...]:
    """Return the values of a meter's columns, in the order of `METER_COLUMNS`."""
    suspect, before, uncertain = meter.suspect, meter.before, meter.uncertainty
    return (
        *_plain_values(meter),
        meter.lower_since,
        *((suspect.raw_mb, suspect.since) if suspect else (None, None)),
        *(
            (before.raw_mb, before.used_mb, before.last_mb, before.restart, before.at, before.first_mb)
            if before
            else (None, None, None, None, None, 0)
        ),
        *((uncertain.doubt, uncertain.since) if uncertain else (None, None)),
        meter.over_mb,
        meter.under_mb,
        meter.last_over_mb,
        meter.last_under_mb,
        meter.last_start,
        meter.first_mb,
    )


def store_meters(before: Mapping[int, Meter], after: Mapping[int, Meter]) -> None:
    """Write the meters `after` (card id -> meter), which were `before` until now; new ones are only in `after`.

    The caller must have locked the check states of these cards, so that no other batch writes their meters.
    """
    plain: list[int] = []
    others: list[int] = []
    for card_id in sorted(after):
        known = before.get(card_id)
        is_plain = after[card_id].is_plain and (known is None or known.is_plain)
        (plain if is_plain else others).append(card_id)
    _write(_STORE_PLAIN, plain, [_plain_values(after[card_id]) for card_id in plain])
    _write(_STORE, others, [values_of(after[card_id]) for card_id in others])


def _write(statement: str, cards: Sequence[int], rows: Sequence[tuple[Any, ...]]) -> None:
    if not cards:
        return
    columns = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(statement, [array(cards), *map(array, columns)])


def lines_of(card_id: int, reading: Reading, step: Step) -> list[UsageLine]:
    """Return the rows of the history for one reading, one for each cycle whose usage it changed."""
    meter = step.meter
    lines = [
        UsageLine(
            card_id,
            meter.cycle_start,
            reading.measured_at,
            reading.raw_mb,
            meter.used_mb,
            step.delta_mb,
            step.reason,
        )
    ]
    if step.last_delta_mb:
        total = meter.last_month_total_mb
        line = UsageLine(
            card_id,
            meter.last_cycle,
            reading.measured_at,
            reading.raw_mb,
            total,
            step.last_delta_mb,
            step.reason,
        )
        lines.insert(0, line)
    return lines


def append(lines: Sequence[UsageLine], *, now: datetime) -> None:
    """Append `lines` to the history with COPY. Set `recorded_at`, which decides the partition, to `now`."""
    if not lines:
        return
    columns = "card_id, cycle_start, recorded_at, measured_at, raw_mb, used_mb, delta_mb, reason"
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY cards_usagerecord ({columns}) FROM STDIN") as copy,
    ):
        for line in lines:
            copy.write_row(
                (
                    line.card_id, line.cycle_start, now, line.measured_at,
                    line.raw_mb, line.used_mb, line.delta_mb, line.reason,
                )
            )  # fmt: skip

"""Load and store meters, and append to the history of usage, in batches."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

from django.db import connection

from cards.metering import Doubt, Meter, Reading, Restart, Step
from carriers.cycles import shifted
from common.arrays import array

# The PostgreSQL type of each column of cards_cardusage that holds a field of `Meter`, in the order of the fields.
METER_COLUMNS: Final = {
    "cycle_start": "date",
    "used_mb": "numeric",
    "raw_mb": "numeric",
    "measured_at": "timestamptz",
    "last_month_total_mb": "numeric",
    "restart": "text",
    "lower_since": "timestamptz",
    "suspect_raw_mb": "numeric",
    "suspect_since": "timestamptz",
    "before_raw_mb": "numeric",
    "before_used_mb": "numeric",
    "before_last_mb": "numeric",
    "before_restart": "text",
    "before_at": "timestamptz",
    "doubt": "text",
    "doubt_since": "timestamptz",
    "over_mb": "numeric",
    "under_mb": "numeric",
    "last_over_mb": "numeric",
    "last_under_mb": "numeric",
}
METER_FIELDS: Final = tuple(METER_COLUMNS)
_values: Final = attrgetter(*METER_FIELDS)
_STORE: Final = f"""
    INSERT INTO cards_cardusage (card_id, {", ".join(METER_COLUMNS)})
    SELECT * FROM unnest(%s::bigint[], {", ".join(f"%s::{kind}[]" for kind in METER_COLUMNS.values())})
    ON CONFLICT (card_id) DO UPDATE SET {", ".join(f"{name} = EXCLUDED.{name}" for name in METER_COLUMNS)}
"""


@dataclass(frozen=True)
class UsageLine:
    """One row of the history of a card's usage, in megabytes. `delta_mb` counts in the cycle `cycle_start`."""

    card_id: int
    cycle_start: date
    measured_at: datetime
    raw_mb: Decimal
    used_mb: Decimal
    delta_mb: Decimal


def meters_of(cards: Collection[int]) -> dict[int, Meter]:
    """Return card id -> meter. Cards that have no meter yet are left out."""
    columns = ", ".join(("card_id", *METER_FIELDS))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM cards_cardusage WHERE card_id = ANY(%s::bigint[])", [array(cards)]
        )
        return {card_id: meter_from(values) for card_id, *values in cursor.fetchall()}


def meter_from(values: Sequence[Any]) -> Meter:
    """Return the meter whose columns, in the order of `METER_FIELDS`, have these values."""
    meter = Meter(*values)
    if meter.before_restart is None and meter.doubt is None:
        return replace(meter, restart=Restart(meter.restart))
    return replace(
        meter,
        restart=Restart(meter.restart),
        before_restart=Restart(meter.before_restart) if meter.before_restart else None,
        doubt=Doubt(meter.doubt) if meter.doubt else None,
    )


def store_meters(meters: Mapping[int, Meter]) -> None:
    """Write meters (card id -> meter) in one statement.

    The caller must have locked the check states of these cards, so that no other batch writes their meters.
    """
    if not meters:
        return
    cards = sorted(meters)
    ordered = [meters[card_id] for card_id in cards]
    columns = zip(*map(_values, ordered), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [array(cards), *map(array, columns)])


def lines_of(card_id: int, reading: Reading, step: Step) -> list[UsageLine]:
    """Return the rows of the history for one reading, one for each cycle whose usage it changed."""
    meter = step.meter
    lines = [
        UsageLine(
            card_id, meter.cycle_start, reading.measured_at, reading.raw_mb, meter.used_mb, step.delta_mb
        )
    ]
    if step.last_delta_mb:
        last, total = shifted(meter.cycle_start, -1), meter.last_month_total_mb
        line = UsageLine(card_id, last, reading.measured_at, reading.raw_mb, total, step.last_delta_mb)
        lines.insert(0, line)
    return lines


def append(lines: Sequence[UsageLine], *, now: datetime) -> None:
    """Append `lines` to the history with COPY. Set `recorded_at`, which decides the partition, to `now`."""
    if not lines:
        return
    columns = "card_id, cycle_start, recorded_at, measured_at, raw_mb, used_mb, delta_mb"
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY cards_usagerecord ({columns}) FROM STDIN") as copy,
    ):
        for line in lines:
            copy.write_row(
                (
                    line.card_id, line.cycle_start, now, line.measured_at,
                    line.raw_mb, line.used_mb, line.delta_mb,
                )
            )  # fmt: skip

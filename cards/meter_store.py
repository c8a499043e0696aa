"""Load and store meters, and append to the history of usage, in batches."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import connection

from cards.metering import Meter
from common.arrays import array

# The columns of cards_cardusage that hold a `Meter`, in the order of its fields.
METER_FIELDS: Final = tuple(field.name for field in fields(Meter))


@dataclass(frozen=True)
class UsageLine:
    """One row of the history of a card's usage, in megabytes."""

    card_id: int
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
        return {card_id: Meter(*values) for card_id, *values in cursor.fetchall()}


def store_meters(meters: Mapping[int, Meter]) -> None:
    """Write meters (card id -> meter) in one statement.

    The caller must have locked the check states of these cards, so that no other batch writes their meters.
    """
    if not meters:
        return
    cards = sorted(meters)
    ordered = [meters[card_id] for card_id in cards]
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO cards_cardusage (card_id, cycle_start, used_mb, raw_mb, measured_at,
                                         last_month_total_mb, suspect_raw_mb, suspect_since)
            SELECT * FROM unnest(%s::bigint[], %s::date[], %s::numeric[], %s::numeric[], %s::timestamptz[],
                                 %s::numeric[], %s::numeric[], %s::timestamptz[])
            ON CONFLICT (card_id) DO UPDATE SET
                cycle_start = EXCLUDED.cycle_start,
                used_mb = EXCLUDED.used_mb,
                raw_mb = EXCLUDED.raw_mb,
                measured_at = EXCLUDED.measured_at,
                last_month_total_mb = EXCLUDED.last_month_total_mb,
                suspect_raw_mb = EXCLUDED.suspect_raw_mb,
                suspect_since = EXCLUDED.suspect_since
            """,
            [
                array(cards),
                array(meter.cycle_start for meter in ordered),
                array(meter.used_mb for meter in ordered),
                array(meter.raw_mb for meter in ordered),
                array(meter.measured_at for meter in ordered),
                array(meter.last_month_total_mb for meter in ordered),
                array(meter.suspect_raw_mb for meter in ordered),
                array(meter.suspect_since for meter in ordered),
            ],
        )


def append(lines: Sequence[UsageLine], *, now: datetime) -> None:
    """Append `lines` to the history with COPY. Set `recorded_at`, which decides the partition, to `now`."""
    if not lines:
        return
    columns = "card_id, recorded_at, measured_at, raw_mb, used_mb, delta_mb"
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY cards_usagerecord ({columns}) FROM STDIN") as copy,
    ):
        for line in lines:
            copy.write_row((line.card_id, now, line.measured_at, line.raw_mb, line.used_mb, line.delta_mb))

"""Generates an entire demo fleet and loads it by COPY."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import connection, transaction

from carriers.models import Carrier
from lab.demo import agents, plans
from lab.demo.references import checked_at_the_end
from lab.demo.rows import BLOCK, COLUMNS, Rows
from lab.simulator.fleet import SimulatedCarrier

CHUNK = 20_000
# The age of every card's last reading. Checks with a shorter interval than this are overdue.
READ_BEFORE = timedelta(minutes=45)


def generate(
    count: int,
    *,
    seed: int,
    now: datetime,
    carriers: Sequence[tuple[SimulatedCarrier, Carrier]],
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Create `count` cards with agents, devices, plans, subscriptions and meters, in one transaction.

    The same `seed` and `now` generate the same fleet. After each chunk is loaded, `advance` is called with
    the number of cards in the chunk.
    """
    with transaction.atomic():
        rows = Rows(
            seed=seed,
            read_at=now - READ_BEFORE,
            carriers=carriers,
            leaves=agents.create_tree(count),
            demo_plans=plans.ensure(),
            first_card=_reserve("cards_card", count),
            first_device=_reserve("cards_device", -(-count // BLOCK)),
        )
        chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
        # A second thread generates the next chunk while PostgreSQL loads the present one.
        with checked_at_the_end(list(COLUMNS)), ThreadPoolExecutor(1) as maker:
            made = maker.map(lambda numbers: _lines(rows, numbers), chunks)
            for numbers, lines in zip(chunks, made, strict=True):
                _copy(lines)
                advance(len(numbers))


def vacuum() -> None:
    """Run VACUUM ANALYZE on the loaded tables.

    Call it outside a transaction, because PostgreSQL does not allow it inside one.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {', '.join(['accounts_agent', *COLUMNS])}")


def _lines(rows: Rows, numbers: range) -> Mapping[str, list[str]]:
    lines: dict[str, list[str]] = defaultdict(list)
    for start in range(numbers.start, numbers.stop, BLOCK):
        for table, line in rows.block(range(start, min(start + BLOCK, numbers.stop))):
            lines[table].append(line)
    return lines


def _copy(lines: Mapping[str, list[str]]) -> None:
    with connection.cursor() as cursor:
        for table, columns in COLUMNS.items():
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                copy.write("".join(f"{line}\n" for line in lines[table]))


def _reserve(table: str, count: int) -> int:
    """Reserve `count` consecutive ids in a table, and return the first of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(sequence, nextval(sequence) + %s) - %s FROM pg_get_serial_sequence(%s, 'id') AS sequence",
            [count, count, table],
        )
        return int(cursor.fetchone()[0])

"""A fleet for demonstrations and tests: carriers, gateways on the simulator, agents, and cards by COPY."""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import orjson
from django.db import connection, transaction

from accounts.models import Agent
from cards.models import Card
from carriers.models import Carrier, Counter, Gateway
from carriers.simulator.fleet import CARRIERS, SimulatedCarrier

CHUNK = 20_000
ICCID_DIGITS = 20
POLLED_SHARE = 0.99
_COLUMNS = (
    "iccid",
    "msisdn",
    "carrier_id",
    "agent_id",
    "category",
    "status",
    "real_name_status",
    "network_status",
    "enable_polling",
)


def ensure_carriers(*, simulator_url: str, secret: str) -> list[tuple[SimulatedCarrier, Carrier]]:
    """The simulator's carriers with a default gateway each, made or pointed at `simulator_url`."""
    return [(played, _ensure_carrier(played, simulator_url, secret)) for played in CARRIERS]


def generate(
    count: int,
    *,
    seed: int,
    carriers: Sequence[tuple[SimulatedCarrier, Carrier]],
    advance: Callable[[int], None] = lambda _: None,
) -> None:
    """Make `count` cards, all or none; the same seed makes the same cards.

    `advance` hears of each chunk's size.
    """
    with transaction.atomic():
        rows = _rows(count, random.Random(seed), carriers, _ensure_agents())
        while chunk := list(islice(rows, CHUNK)):
            _copy(chunk)
            advance(len(chunk))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE cards_card")


def _ensure_carrier(played: SimulatedCarrier, simulator_url: str, secret: str) -> Carrier:
    carrier, _ = Carrier.objects.get_or_create(
        code=played.code,
        defaults={
            "name": played.name,
            "time_zone": played.time_zone,
            "billing_day": played.billing_day,
            "counter": Counter.LIFETIME if played.is_lifetime else Counter.PER_CYCLE,
        },
    )
    Gateway.objects.update_or_create(
        name=f"{played.name} (simulator)",
        defaults={
            "base_url": f"{simulator_url}/c/{played.code}",
            "credentials": orjson.dumps({"app_id": "demo", "secret": secret}).decode(),
        },
        create_defaults={
            "carrier": carrier,
            "adapter": "json",
            "base_url": f"{simulator_url}/c/{played.code}",
            "credentials": orjson.dumps({"app_id": "demo", "secret": secret}).decode(),
            "is_default": True,
        },
    )
    return carrier


def _ensure_agents() -> list[Agent]:
    return [
        Agent.objects.get_or_create(name=name, parent=None)[0] for name in ("Demo agent A", "Demo agent B")
    ]


def _rows(
    count: int,
    chance: random.Random,
    carriers: Sequence[tuple[SimulatedCarrier, Carrier]],
    agents: Sequence[Agent],
) -> Iterator[tuple[Any, ...]]:
    for number in range(count):
        played, carrier = carriers[number % len(carriers)]
        iccid = f"{played.prefix}{number:0{ICCID_DIGITS - len(played.prefix)}d}"
        yield (
            iccid,
            f"86{number:011d}",
            carrier.pk,
            chance.choice(agents).pk,
            chance.choices((Card.Category.NORMAL, Card.Category.INDUSTRY), (9, 1))[0].value,
            chance.choices(
                (
                    Card.Status.ACTIVATED,
                    Card.Status.DISTRIBUTED,
                    Card.Status.IN_STOCK,
                    Card.Status.DEACTIVATED,
                ),
                (94, 2, 2, 2),
            )[0].value,
            chance.choices((Card.RealNameStatus.VERIFIED, Card.RealNameStatus.UNVERIFIED), (9, 1))[0].value,
            Card.NetworkStatus.ONLINE.value,
            chance.random() < POLLED_SHARE,
        )


def _copy(rows: Sequence[tuple[Any, ...]]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY cards_card ({', '.join(_COLUMNS)}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)

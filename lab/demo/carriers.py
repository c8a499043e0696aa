"""The demo's carriers, with gateways on the simulator."""

import orjson

from carriers.models import Carrier, Counter, Gateway
from lab.simulator.fleet import CARRIERS, SimulatedCarrier


def ensure_carriers(*, simulator_url: str, secret: str) -> list[tuple[SimulatedCarrier, Carrier]]:
    """The simulator's carriers with a default gateway each, made or pointed at `simulator_url`."""
    return [(played, _ensure_carrier(played, simulator_url, secret)) for played in CARRIERS]


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

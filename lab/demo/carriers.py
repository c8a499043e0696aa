"""Creates the demo fleet's carriers, and their gateways on the simulator."""

import orjson

from carriers.models import Carrier, Counter, Gateway
from lab.simulator.fleet import CARRIERS, SimulatedCarrier


def ensure_carriers(*, simulator_url: str, secret: str) -> list[tuple[SimulatedCarrier, Carrier]]:
    """Create missing carriers and default gateways, and return pairs of a simulated carrier and its row.

    Every gateway on the simulator, new or existing, gets a URL below `simulator_url` and credentials with
    `secret`.
    """
    return [(simulated, _ensure_carrier(simulated, simulator_url, secret)) for simulated in CARRIERS]


def _ensure_carrier(simulated: SimulatedCarrier, simulator_url: str, secret: str) -> Carrier:
    carrier, _ = Carrier.objects.get_or_create(
        code=simulated.code,
        defaults={
            "name": simulated.name,
            "time_zone": simulated.time_zone,
            "billing_day": simulated.billing_day,
            "counter": Counter.LIFETIME if simulated.is_lifetime else Counter.PER_CYCLE,
        },
    )
    Gateway.objects.update_or_create(
        name=f"{simulated.name} (simulator)",
        defaults={
            "base_url": f"{simulator_url}/c/{simulated.code}",
            "credentials": orjson.dumps({"app_id": "demo", "secret": secret}).decode(),
        },
        create_defaults={
            "carrier": carrier,
            "adapter": "json",
            "base_url": f"{simulator_url}/c/{simulated.code}",
            "credentials": orjson.dumps({"app_id": "demo", "secret": secret}).decode(),
            "is_default": True,
        },
    )
    return carrier

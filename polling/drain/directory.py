"""The small tables that every batch needs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cards.metering import Tariff
from carriers.cycles import BillingCalendar
from carriers.models import Carrier, Counter, Gateway
from common import database
from polling.models import PollingConfig


@dataclass(frozen=True)
class Directory:
    """The small tables that every batch needs: read afresh each second, so a change is in force at once."""

    configs: tuple[PollingConfig, ...]
    gateways: dict[int, Gateway]
    default_gateways: dict[int, int]
    tariffs: dict[int, Tariff]
    now: datetime

    @classmethod
    def read(cls) -> "Directory":
        """Configs in force, all gateways, and the carriers' tariffs."""
        gateways = {gateway.pk: gateway for gateway in Gateway.objects.all()}
        return cls(
            configs=tuple(PollingConfig.objects.in_force()),
            gateways=gateways,
            default_gateways={
                gateway.carrier_id: gateway.pk for gateway in gateways.values() if gateway.is_default
            },
            tariffs={carrier.pk: _tariff(carrier) for carrier in Carrier.objects.all()},
            now=database.now(),
        )

    @property
    def smallest_batch(self) -> int:
        """So many cards at least go into one call."""
        open_now = (gateway for gateway in self.gateways.values() if self.opens_in(gateway) is None)
        return min((gateway.batch_size for gateway in open_now), default=1)

    def gateway_of(self, gateway_id: int | None, carrier_id: int) -> Gateway | None:
        """A card's own gateway, or its carrier's default."""
        return self.gateways.get(gateway_id or self.default_gateways.get(carrier_id, 0))

    def opens_in(self, gateway: Gateway | None) -> timedelta | None:
        """None: calls may go out now. Else the time until they may; zero: nobody knows."""
        if gateway is None or not gateway.is_enabled:
            return timedelta()
        if gateway.paused_until and gateway.paused_until > self.now:
            return gateway.paused_until - self.now
        return None


def _tariff(carrier: Carrier) -> Tariff:
    calendar = BillingCalendar(carrier.time_zone, carrier.billing_day)
    return Tariff(calendar, is_lifetime=carrier.counter == Counter.LIFETIME)

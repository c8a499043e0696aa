"""The small tables that every batch needs."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cards.metering import Tariff
from cards.models import CheckType
from carriers.cycles import BillingCalendar
from carriers.models import Carrier, Counter, Gateway
from common import database
from polling.models import Pause, PollingConfig

# So old may one become.
SNAPSHOT_SECONDS = 1.0


@dataclass(frozen=True)
class ConfigSnapshot:
    """The small tables that every batch needs: read afresh each second, so a change is in force at once."""

    configs: tuple[PollingConfig, ...]
    gateways: dict[int, Gateway]
    default_gateways: dict[int, int]
    tariffs: dict[int, Tariff]
    # (what is paused, which one) -> until.
    pauses: dict[tuple[str, str | int], datetime]
    now: datetime

    @classmethod
    def read(cls) -> "ConfigSnapshot":
        """Configs in force, all gateways, and the carriers' tariffs."""
        gateways, now = {gateway.pk: gateway for gateway in Gateway.objects.all()}, database.now()
        return cls(
            configs=tuple(PollingConfig.objects.in_force()),
            gateways=gateways,
            default_gateways={
                gateway.carrier_id: gateway.pk for gateway in gateways.values() if gateway.is_default
            },
            tariffs={carrier.pk: _tariff(carrier) for carrier in Carrier.objects.all()},
            pauses=_pauses(now),
            now=now,
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
        return self._until(self.pauses.get(("gateway", gateway.pk)), gateway.paused_until)

    def paused_for(self, check_type: CheckType, carrier_id: int) -> timedelta | None:
        """How long checks of this type, or of this carrier's cards, are still paused; None: they are not."""
        return self._until(
            self.pauses.get(("type", check_type.value)), self.pauses.get(("carrier", carrier_id))
        )

    def _until(self, *ends: datetime | None) -> timedelta | None:
        latest = max((end for end in ends if end), default=self.now)
        return latest - self.now if latest > self.now else None


def _pauses(now: datetime) -> dict[tuple[str, str | int], datetime]:
    pauses: dict[tuple[str, str | int], datetime] = {}
    # The one that ends last is written last.
    for pause in Pause.objects.in_force_at(now).order_by("until"):
        kinds = (("type", pause.task_type), ("carrier", pause.carrier_id), ("gateway", pause.gateway_id))
        pauses.update({(kind, one): pause.until for kind, one in kinds if one})
    return pauses


def _tariff(carrier: Carrier) -> Tariff:
    calendar = BillingCalendar(carrier.time_zone, carrier.billing_day)
    return Tariff(calendar, is_lifetime=carrier.counter == Counter.LIFETIME)

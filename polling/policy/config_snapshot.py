"""A snapshot of the small tables that every batch of cards needs: configs, gateways, tariffs and pauses."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Exists, OuterRef

from cards.meter import Tariff
from cards.models import CheckType, CounterFinding, CounterSurvey
from carriers.models import Carrier, Counter, Gateway
from common import database
from polling.models import Pause, PollingConfig

_RISES = CounterFinding.objects.filter(carrier=OuterRef("pk"), kind=CounterFinding.Kind.SUDDEN_RISE)
# A drain reads a new snapshot when the last one is older than this.
SNAPSHOT_SECONDS = 1.0


@dataclass(frozen=True)
class ConfigSnapshot:
    """The configs in force, the gateways, the tariffs and the pauses at one moment.

    A drain reads a new snapshot every second, so that a change takes effect within a second.

    Example::

        snapshot = ConfigSnapshot.read()
        gateway = snapshot.gateway_of(card.gateway_id, card.carrier_id)
        if snapshot.opens_in(gateway) is None:
            ...  # calls may go out now
    """

    configs: tuple[PollingConfig, ...]
    gateways: dict[int, Gateway]
    default_gateways: dict[int, int]
    tariffs: dict[int, Tariff]
    # (kind, target) -> end of the pause. The kind is "type", "carrier" or "gateway". The target is a task
    # type, or the id of a carrier or a gateway.
    pauses: dict[tuple[str, str | int], datetime]
    now: datetime

    @classmethod
    def read(cls) -> "ConfigSnapshot":
        """Read the tables from PostgreSQL, and use its clock for `now`."""
        gateways, now = {gateway.pk: gateway for gateway in Gateway.objects.all()}, database.now()
        return cls(
            configs=tuple(PollingConfig.objects.in_force()),
            gateways=gateways,
            default_gateways={
                gateway.carrier_id: gateway.pk for gateway in gateways.values() if gateway.is_default
            },
            tariffs={
                carrier.pk: _tariff(
                    carrier, getattr(carrier, "survey", None), others_rose=vars(carrier)["others_rose"]
                )
                for carrier in Carrier.objects.select_related("survey").annotate(others_rose=Exists(_RISES))
            },
            pauses=_pauses(now),
            now=now,
        )

    @property
    def smallest_batch(self) -> int:
        """Return the smallest batch size of all open gateways, or 1 if no gateway is open.

        A full call to any open gateway has at least this many cards.
        """
        open_now = (gateway for gateway in self.gateways.values() if self.opens_in(gateway) is None)
        return min((gateway.batch_size for gateway in open_now), default=1)

    def gateway_of(self, gateway_id: int | None, carrier_id: int) -> Gateway | None:
        """Return a card's own gateway, or its carrier's default gateway; return None if it has neither."""
        return self.gateways.get(gateway_id or self.default_gateways.get(carrier_id, 0))

    def opens_in(self, gateway: Gateway | None) -> timedelta | None:
        """Return the time until calls to the gateway may go out.

        None means that they may go out now. Zero means that the time is unknown.
        """
        if gateway is None or not gateway.is_enabled:
            return timedelta()
        return self._until(self.pauses.get(("gateway", gateway.pk)), gateway.paused_until)

    def paused_for(self, check_type: CheckType, carrier_id: int) -> timedelta | None:
        """Return how long this check is still paused for cards of this carrier; None if it is not paused."""
        return self._until(
            self.pauses.get(("type", check_type.value)), self.pauses.get(("carrier", carrier_id))
        )

    def _until(self, *ends: datetime | None) -> timedelta | None:
        latest = max((end for end in ends if end), default=self.now)
        return latest - self.now if latest > self.now else None


def _pauses(now: datetime) -> dict[tuple[str, str | int], datetime]:
    pauses: dict[tuple[str, str | int], datetime] = {}
    # Sort pauses by their ends, so that the pause that ends last wins if a target has several.
    for pause in Pause.objects.in_force_at(now).order_by("until"):
        targets = (("type", pause.task_type), ("carrier", pause.carrier_id), ("gateway", pause.gateway_id))
        pauses.update({(kind, target): pause.until for kind, target in targets if target})
    return pauses


def _tariff(carrier: Carrier, survey: CounterSurvey | None, *, others_rose: bool) -> Tariff:
    return Tariff(
        carrier.calendar,
        is_lifetime=carrier.counter == Counter.LIFETIME,
        max_mb_per_second=Decimal(carrier.max_mbit_per_second) / 8,
        stamp_grain=carrier.stamp_grain_duration,
        carrier_id=carrier.pk,
        restarted_cycle=survey.restarted_cycle if survey else None,
        others_rose=others_rose,
    )

"""The endpoint `/carriers`. Agents may read the carriers, because each card of an agent names its carrier."""

from accounts.api.permissions import MayOperateShared
from accounts.api.scoped import ManagedViewSet
from carriers.models import Carrier
from common.api.strict_serializers import StrictModelSerializer


class CarrierSerializer(StrictModelSerializer[Carrier]):
    """A network operator and its billing calendar."""

    class Meta:
        model = Carrier
        fields = (
            "id",
            "code",
            "name",
            "time_zone",
            "billing_day",
            "counter",
            "stamp_grain",
            "figures_delay_minutes",
            "max_mbit_per_second",
        )


class CarrierViewSet(ManagedViewSet[Carrier]):
    """Carriers, sorted by code. A carrier that has gateways or cards cannot be deleted."""

    subject = "carrier"
    model = Carrier
    permission_classes = (MayOperateShared,)
    serializer_class = CarrierSerializer

"""`/carriers`: network operators. Agents may read them, because their cards name a carrier."""

from accounts.api.permissions import MayOperateShared
from accounts.api.scoped import ManagedViewSet
from carriers.models import Carrier
from common.api.strict_serializers import StrictModelSerializer


class CarrierSerializer(StrictModelSerializer[Carrier]):
    """A network operator, with its billing calendar."""

    class Meta:
        model = Carrier
        fields = ("id", "code", "name", "time_zone", "billing_day", "counter")


class CarrierViewSet(ManagedViewSet[Carrier]):
    """Carriers, by code. A carrier with gateways or cards cannot be deleted."""

    subject = "carrier"
    model = Carrier
    permission_classes = (MayOperateShared,)
    serializer_class = CarrierSerializer

"""`/carriers`: network operators. Agents read them: they are told whose cards they have."""

from accounts.api.permissions import MayOperateShared
from accounts.api.scoped import Managed
from carriers.models import Carrier
from common.api.strict_serializers import StrictModelSerializer


class CarrierSerializer(StrictModelSerializer[Carrier]):
    """A network operator, with its billing calendar."""

    class Meta:
        model = Carrier
        fields = ("id", "code", "name", "time_zone", "billing_day", "counter")


class CarrierViewSet(Managed[Carrier]):
    """Carriers, by code. One that has gateways or cards cannot be deleted."""

    subject = "carrier"
    model = Carrier
    permission_classes = (MayOperateShared,)
    serializer_class = CarrierSerializer

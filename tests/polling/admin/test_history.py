"""The statistics by minute in the admin."""

import pytest
from django.test import Client
from django.utils import timezone

from polling.models import MinuteStat
from tests.factories import GatewayFactory, UserFactory

ROWS = "/admin/polling/minutestat/"


@pytest.mark.django_db
def test_statistics_name_their_gateways(client: Client) -> None:
    client.force_login(UserFactory.create(role="viewer", is_staff=True))
    gateway = GatewayFactory.create(name="Northwind east")
    for gateway_id in (None, gateway.pk, 999):
        MinuteStat.objects.create(
            minute=timezone.now(), task_type="carddata", gateway_id=gateway_id, histogram=[0] * 12
        )

    page = client.get(ROWS).content.decode()

    names = [cell.split("</td>")[0] for cell in page.split('<td class="field-gateway">')[1:]]
    assert names == ["999", "Northwind east", "all"]

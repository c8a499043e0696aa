"""`/check-failures` lists failing cards with time and reason. An agent sees only cards of its own tree."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from accounts.models import User
from cards.models import CheckState
from tests.factories import (
    AgentFactory,
    CardFactory,
    CarrierFactory,
    CheckStateFactory,
    GatewayFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db
PATH = "/api/v1/check-failures"
SINCE = datetime(2026, 5, 10, 12, tzinfo=UTC)


def failing(minutes: int = 0, **fields: Any) -> CheckState:
    since = SINCE + timedelta(minutes=minutes)
    made: CheckState = CheckStateFactory.create(
        failing_since=since, failures=3, error="the gateway is busy with the card", **fields
    )
    return made


def sign_in(client: Client, **fields: Any) -> User:
    user: User = UserFactory.create(**fields)
    client.force_login(user)
    return user


def test_failure_has_card_start_count_and_error(client: Client) -> None:
    sign_in(client, role="viewer")
    carrier = CarrierFactory.create()
    main, other = GatewayFactory.create(), GatewayFactory.create(is_default=False)
    first = failing(card=CardFactory.create(carrier=carrier))
    second = failing(1, type="realname", card=CardFactory.create(carrier=carrier, gateway=other))
    CheckStateFactory.create()
    # These cards are not listed, because they are not checked any more.
    for card in (
        CardFactory.create(deleted_at=SINCE),
        CardFactory.create(enable_polling=False),
        CardFactory.create(status=4),
    ):
        failing(card=card)

    body = client.get(PATH).json()

    assert body["results"][0] == {
        "card_id": first.card_id,
        "iccid": first.card.iccid,
        "task_type": "carddata",
        "failing_since": "2026-05-10T12:00:00Z",
        "failures": 3,
        "error": "the gateway is busy with the card",
        "last_good_at": None,
        "gateway_id": main.pk,
        "gateway": main.name,
    }
    assert [row["card_id"] for row in body["results"]] == [first.card_id, second.card_id]
    assert body["results"][1]["gateway_id"] == other.pk
    narrowed = client.get(f"{PATH}?task_type=realname").json()
    assert [row["card_id"] for row in narrowed["results"]] == [second.card_id]
    assert client.get(PATH.replace("/v1/", "/admin/")).json() == body | {"next": None, "previous": None}


def test_cursor_pages_follow_each_other_in_their_own_list_only(client: Client) -> None:
    sign_in(client, role="operator")
    made = [failing(minute // 3) for minute in range(7)]

    found, url = [], f"{PATH}?page_size=3"
    while url:
        body = client.get(url).json()
        found += [row["card_id"] for row in body["results"]]
        url = body["next"]

    assert found == [state.card_id for state in made]
    assert client.get(body["previous"]).json()["results"][0]["card_id"] == made[3].card_id
    cursor = urlsplit(client.get(f"{PATH}?page_size=3").json()["next"]).query
    for wrong in (f"{PATH}?{cursor}&task_type=carddata", f"{PATH}?cursor=garbage", f"{PATH}?cursor=cD1h%3Ax"):
        answer = client.get(wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")


def test_simultaneous_failures_are_paged_in_both_directions(client: Client) -> None:
    sign_in(client, role="viewer")
    made = [failing().card_id for _ in range(11)]

    forward, url = [], f"{PATH}?page_size=4"
    while url:
        body = client.get(url).json()
        forward.append([row["card_id"] for row in body["results"]])
        url = body["next"]
    backward = [forward[-1]]
    while url := body["previous"]:
        body = client.get(url).json()
        backward.append([row["card_id"] for row in body["results"]])

    assert forward == [made[:4], made[4:8], made[8:]]
    assert backward == forward[::-1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=0", "page_size"),
        ("page_size=501", "page_size"),
        ("page_size=x", "page_size"),
        ("task_type=x", "task_type"),
    ],
)
def test_invalid_parameter_is_named(client: Client, query: str, field: str) -> None:
    sign_in(client, role="viewer")

    answer = client.get(f"{PATH}?{query}")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


def test_agent_sees_only_failures_of_its_tree(client: Client) -> None:
    agent = AgentFactory.create()
    own = failing(card=CardFactory.create(agent=AgentFactory.create(parent=agent)))
    failing(1)

    sign_in(client, role="agent", agent=agent)
    assert [row["card_id"] for row in client.get(PATH).json()["results"]] == [own.card_id]
    sign_in(client)
    assert client.get(PATH).status_code == 403
    client.logout()
    assert client.get(PATH).status_code == 401
    sign_in(client, role="viewer")
    assert client.post(PATH).status_code == 405

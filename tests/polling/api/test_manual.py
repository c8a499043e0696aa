"""What `/polling-manual-trigger` stores, what it refuses, and whose cards it accepts.

tests/polling/triggers/test_triggering.py tests what the engine does with triggers.
"""

from itertools import combinations
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from redis import Redis

from audit.models import Operation
from polling.models import ManualItem, ManualTrigger
from tests.factories import AgentFactory, CardFactory, CarrierFactory, DeviceFactory, ManualTriggerFactory
from tests.support.api_calls import Caller, code_of, fields_refused
from tests.support.api_triggers import BATCH, CANCEL, CONDITION, HISTORY, SINGLE, STATUS, accepted, hints

pytestmark = pytest.mark.django_db(transaction=True)


def test_single_trigger_is_accepted_shown_and_audited(operator: Caller, redis: Redis) -> None:
    card = CardFactory.create()

    made = accepted(operator, SINGLE, card_id=card.pk)

    assert made == {"trigger_id": ManualTrigger.objects.get().pk, "accepted": 1, "skipped": 0}
    assert hints(redis) == [card.pk]
    status = operator.get(STATUS, trigger_id=made["trigger_id"]).json()
    assert (status["status"], status["kind"], status["requester"]) == (
        "queued", "single", operator.user.username,
    )  # fmt: skip
    assert status["items"] == [{"card_id": card.pk, "status": "queued", "result": ""}]
    history = operator.get(HISTORY).json()
    assert history["count"] == 1
    assert history["results"][0]["trigger_id"] == made["trigger_id"]
    operation = Operation.objects.get()
    assert (operation.action, operation.target_id) == ("triggered", str(made["trigger_id"]))


def test_batch_skips_unknown_and_repeated_cards(operator: Caller, redis: Redis) -> None:
    waits, new = CardFactory.create(), CardFactory.create()
    accepted(operator, SINGLE, card_id=waits.pk)

    made = accepted(operator, BATCH, card_ids=[waits.pk, new.pk, new.pk, 999_999_999])

    assert (made["accepted"], made["skipped"]) == (2, 1)
    # A card may be in the manual queue twice. Without the second entry, a card that is being checked would
    # not be checked again.
    assert hints(redis) == [waits.pk, waits.pk, new.pk]


def test_single_trigger_goes_before_its_batch(operator: Caller, redis: Redis) -> None:
    first, last = CardFactory.create(), CardFactory.create()
    accepted(operator, BATCH, card_ids=[first.pk, last.pk])

    accepted(operator, SINGLE, card_id=last.pk)

    assert hints(redis)[0] == last.pk


def test_industry_cards_have_no_real_name_check(operator: Caller, redis: Redis) -> None:
    normal, industry = CardFactory.create(), CardFactory.create(category="industry")

    made = accepted(operator, BATCH, card_ids=[normal.pk, industry.pk], task_type="realname")
    refused = operator.post(SINGLE, {"card_id": industry.pk, "task_type": "realname"})

    assert (made["accepted"], made["skipped"]) == (1, 1)
    assert hints(redis, "realname") == [normal.pk]
    assert code_of(refused) == (409, "check_not_wanted")
    assert ManualTrigger.objects.count() == 1


def test_condition_selects_cards(operator: Caller, redis: Redis) -> None:
    parent = AgentFactory.create()
    child = AgentFactory.create(parent=parent)
    device = DeviceFactory.create(agent=child)
    own = CardFactory.create(agent=parent)
    below = CardFactory.create(agent=child, device=device)
    CardFactory.create(agent=parent, category="industry")
    CardFactory.create(agent=parent, status=4)
    CardFactory.create()

    made = accepted(operator, CONDITION, agent_id=parent.pk, card_category="normal", status=3)
    assert made["accepted"] == 2
    assert hints(redis) == [own.pk, below.pk]

    again = accepted(operator, CONDITION, device_id=device.pk)
    assert (again["accepted"], again["skipped"]) == (0, 0)
    assert operator.get(STATUS, trigger_id=again["trigger_id"]).json()["status"] == "finished"


def test_condition_selects_limited_number_of_cards(operator: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    from polling.triggers import choosing

    monkeypatch.setattr(choosing, "MAX_CARDS", 3)
    CardFactory.create_batch(4, category="industry")
    cards = [card.pk for card in CardFactory.create_batch(5)]

    first = accepted(operator, CONDITION, task_type="realname")
    second = accepted(operator, CONDITION, task_type="realname")

    assert (first["accepted"], first["skipped"]) == (3, 4)
    assert second["accepted"] == 2
    waiting = ManualItem.objects.order_by("card_id").values_list("card_id", flat=True)
    assert list(waiting) == cards


@pytest.mark.parametrize(("path", "body", "field", "code"), [
    (SINGLE, {"card_id": 1}, "task_type", "required"),
    (SINGLE, {"card_id": 1, "task_type": "stop_start"}, "task_type", "invalid_choice"),
    (SINGLE, {"card_id": "x", "task_type": "carddata"}, "card_id", "invalid"),
    (SINGLE, {"card_id": 2**70, "task_type": "carddata"}, "card_id", "invalid"),
    (SINGLE, {"card_id": 1, "task_type": "carddata", "now": True}, "now", "unknown_field"),
    (BATCH, {"card_ids": [], "task_type": "carddata"}, "card_ids", "min_length"),
    (BATCH, {"card_ids": list(range(1, 1002)), "task_type": "carddata"}, "card_ids", "max_length"),
    (BATCH, {"card_ids": ["x"], "task_type": "carddata"}, "card_ids.0", "invalid"),
    (CONDITION, {"task_type": "carddata", "status": 9}, "status", "invalid_choice"),
    (CONDITION, {"task_type": "carddata", "carrier_id": 0}, "carrier_id", "min_value"),
    (CANCEL, {}, "trigger_id", "required"),
])  # fmt: skip
def test_invalid_field_is_named(
    operator: Caller, path: str, body: dict[str, Any], field: str, code: str
) -> None:
    assert fields_refused(operator.post(path, body)) == {field: code}
    assert not ManualTrigger.objects.exists()


def test_trigger_ids_do_not_reveal_their_number(operator: Caller) -> None:
    card = CardFactory.create()

    ids = [accepted(operator, SINGLE, card_id=card.pk)["trigger_id"] for _ in range(4)]

    assert min(abs(first - second) for first, second in combinations(ids, 2)) > 1000
    assert [row["trigger_id"] for row in operator.get(HISTORY).json()["results"]] == ids[::-1]


def test_trigger_is_cancelled_once(operator: Caller) -> None:
    made = accepted(operator, SINGLE, card_id=CardFactory.create().pk)
    named = {"trigger_id": made["trigger_id"]}

    assert operator.post(CANCEL, named).json() == {**named, "cancelled": 1}
    assert code_of(operator.post(CANCEL, named)) == (409, "manual_trigger_ended")
    assert code_of(operator.post(CANCEL, {"trigger_id": 999_999})) == (404, "manual_trigger_not_found")
    status = operator.get(STATUS, **named).json()
    assert (status["status"], status["items"][0]["status"]) == ("cancelled", "cancelled")
    assert [operation.action for operation in Operation.objects.order_by("id")] == ["triggered", "cancelled"]


def test_agent_triggers_only_cards_of_its_tree(redis: Redis, operator: Caller) -> None:
    mine = AgentFactory.create()
    below = AgentFactory.create(parent=mine)
    agent = Caller.of("agent", agent=mine)
    own, others = CardFactory.create(agent=below), CardFactory.create(agent=AgentFactory.create())
    device = DeviceFactory.create()
    elsewhere_only = CardFactory.create(
        agent=others.agent, device=device, status=2, carrier=CarrierFactory.create(code="sun")
    )
    sibling = Caller.of("agent", agent=others.agent)
    elsewhere = accepted(sibling, SINGLE, card_id=others.pk)
    before = ManualTrigger.objects.count()

    assert code_of(agent.post(SINGLE, {"card_id": others.pk, "task_type": "carddata"})) == (
        404, "card_not_found",
    )  # fmt: skip
    assert ManualTrigger.objects.count() == before
    assert accepted(agent, BATCH, card_ids=[own.pk, others.pk])["accepted"] == 1
    assert accepted(agent, CONDITION, agent_id=others.agent_id)["accepted"] == 0
    assert accepted(agent, CONDITION)["accepted"] == 0
    for foreign in ({"device_id": device.pk}, {"carrier_id": elsewhere_only.carrier_id}, {"status": 2}):
        found = accepted(agent, CONDITION, **foreign)
        assert (found["accepted"], found["skipped"]) == (0, 0), foreign
    assert hints(redis) == [others.pk, own.pk]
    assert code_of(agent.get(STATUS, trigger_id=elsewhere["trigger_id"]))[0] == 404
    assert code_of(agent.post(CANCEL, {"trigger_id": elsewhere["trigger_id"]}))[0] == 404
    assert agent.get(HISTORY).json()["count"] == 6
    assert operator.get(HISTORY).json()["count"] == 7
    assert ManualTrigger.objects.get(pk=elsewhere["trigger_id"]).status == "queued"


def test_staff_triggers_of_former_agent_user_stay_hidden(redis: Redis) -> None:
    agent = AgentFactory.create()
    caller, colleague = Caller.of("agent", agent=agent), Caller.of("agent", agent=agent)
    administrator = Caller.of("administrator")
    accepted(caller, SINGLE, card_id=CardFactory.create(agent=agent).pk)
    change = {"role": "operator", "agent_id": None}
    assert administrator.put(f"users/{caller.user.pk}", change).status_code == 200

    made = accepted(caller, SINGLE, card_id=CardFactory.create().pk)

    assert colleague.get(HISTORY).json()["count"] == 1
    named = {"trigger_id": made["trigger_id"]}
    assert code_of(colleague.get(STATUS, **named)) == (404, "manual_trigger_not_found")
    assert code_of(colleague.post(CANCEL, named)) == (404, "manual_trigger_not_found")
    assert ManualTrigger.objects.get(pk=made["trigger_id"]).status == "queued"


def test_viewers_see_triggers_and_cannot_make_them(viewer: Caller, operator: Caller) -> None:
    card = CardFactory.create()
    made = accepted(operator, SINGLE, card_id=card.pk)

    assert viewer.get(HISTORY).json()["count"] == 1
    assert code_of(viewer.post(SINGLE, {"card_id": card.pk, "task_type": "carddata"}))[0] == 403
    assert code_of(viewer.post(CANCEL, {"trigger_id": made["trigger_id"]}))[0] == 403
    assert ManualTrigger.objects.count() == 1


def test_same_idempotency_key_triggers_once(operator: Caller) -> None:
    body = {"card_id": CardFactory.create().pk, "task_type": "carddata"}

    first = operator.post(SINGLE, body, Idempotency_Key="a")
    second = operator.post(SINGLE, body, Idempotency_Key="a")

    assert first.json() == second.json()
    assert ManualTrigger.objects.count() == 1


def test_thousand_cards_take_as_many_queries_as_ten(
    operator: Caller, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for count in (10, 1000):
        cards = [card.pk for card in CardFactory.create_batch(count)]
        with django_assert_max_num_queries(20):
            assert accepted(operator, BATCH, card_ids=cards)["accepted"] == count


def test_history_is_filtered(operator: Caller) -> None:
    ManualTriggerFactory.create(task_type="realname", requester=operator.user, created_at=timezone.now())
    ManualTriggerFactory.create(task_type="carddata", requester=operator.user, created_at=timezone.now())

    assert [row["task_type"] for row in operator.get(HISTORY, task_type="realname").json()["results"]] == [
        "realname"
    ]
    assert operator.get(HISTORY, status="cancelled").json()["results"] == []
    assert fields_refused(operator.get(HISTORY, sort="x")) == {"sort": "unknown_field"}


def test_card_moved_to_another_agent_is_hidden(redis: Redis) -> None:
    agent = Caller.of("agent", agent=AgentFactory.create())
    kept, moved = (CardFactory.create(agent=agent.user.agent) for _ in range(2))
    made = accepted(agent, BATCH, card_ids=[kept.pk, moved.pk])
    type(moved).objects.filter(pk=moved.pk).update(agent=AgentFactory.create())

    status = agent.get(STATUS, trigger_id=made["trigger_id"]).json()

    assert [item["card_id"] for item in status["items"]] == [kept.pk]


def test_deeply_nested_body_is_refused(operator: Caller) -> None:
    body = b'{"card_id": ' + b"[" * 400 + b"]" * 400 + b', "task_type": "carddata"}'

    assert code_of(operator.post(SINGLE, body, Idempotency_Key="a")) == (400, "parse_error")

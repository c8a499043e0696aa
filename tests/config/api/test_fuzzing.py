"""Schemathesis fuzzes a live server and finds no server error and no undocumented answer."""

from functools import cache
from typing import Any, cast

import pytest
import schemathesis
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, seed, strategies
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings
from redis import Redis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts import tokens
from accounts.conf import AccountsSettings
from accounts.models import Agent, ApiToken
from polling.policy.defaults import make_missing
from tests.factories import (
    AgentFactory,
    CardFactory,
    CarrierFactory,
    CheckStateFactory,
    GatewayFactory,
    ManualItemFactory,
    ManualTriggerFactory,
    PauseFactory,
    UserFactory,
)

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)
EXAMPLES, LONG_EXAMPLES = 1, 10
# The id of each test row. No database sequence reaches it during the suite.
ROW = 10**12


@cache
def _described() -> dict[str, Any]:
    return cast("dict[str, Any]", SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


def _token(role: str, agent: Agent) -> str:
    user = UserFactory.create(role=role, pk=10**15, agent=agent if role == "agent" else None)
    token, text = tokens.issue(user, name="test", scope=ApiToken.Scope.WRITE)
    # Give the token an id that the fuzzer does not guess. Otherwise, the fuzzer could revoke its own token.
    ApiToken.objects.filter(pk=token.pk).update(id=10**15)
    return text


@pytest.mark.long_form
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", ["administrator", "agent"])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_matches_the_schema(
    mode: GenerationMode, role: str, live_server: Any, redis: Redis, limits: Settings, is_long: bool
) -> None:
    make_missing()
    agent = AgentFactory.create()
    gateway = GatewayFactory.create(pk=ROW, carrier=CarrierFactory.create(pk=ROW))
    card = CardFactory.create(carrier=gateway.carrier, agent=agent)
    CheckStateFactory.create(card=card, failing_since=timezone.now())
    trigger = ManualTriggerFactory.create(pk=ROW, agent=agent, accepted=1)
    ManualItemFactory.create(trigger=trigger, card=card)
    PauseFactory.create(pk=ROW, owner=UserFactory.create(pk=ROW, username="somebody"))
    ApiToken.objects.create(pk=ROW, user_id=ROW, name="x", prefix="0" * 12, digest="0" * 64)
    headers = {"Authorization": f"Bearer {_token(role, agent)}"}
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    schema = schemathesis.openapi.from_dict(document)
    seen: set[int] = set()
    wrong: list[str] = []

    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()

        @seed(1)
        @hypothesis_settings(
            max_examples=LONG_EXAMPLES if is_long else EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), is_there=strategies.booleans())
        def ask(case: Any, is_there: bool) -> None:
            if is_there and "id" in case.path_parameters:
                case.path_parameters["id"] = ROW
            for given_values in (case.query, case.body):
                if is_there and isinstance(given_values, dict) and "trigger_id" in given_values:
                    given_values["trigger_id"] = ROW
            response = case.call(base_url=live_server.url, headers=headers)
            seen.add(response.status_code)
            case.validate_response(response, checks=CHECKS)

        try:
            ask()
        except FailureGroup as group:
            wrong.append(f"{operation.label}: {group}")

    assert not wrong, "\n\n".join(wrong)
    assert {400, 404} <= seen if role == "administrator" else {403} <= seen
    assert 200 in seen or mode is GenerationMode.NEGATIVE
    assert 401 not in seen
    assert 500 not in seen


@pytest.fixture
def limits(settings: Settings) -> Settings:
    settings.ACCOUNTS = AccountsSettings(reads_per_minute=1_000_000, writes_per_minute=1_000_000)
    return settings

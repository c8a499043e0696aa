"""The requests in the documentation work when they are sent as shown there."""

import itertools
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from redis import Redis

from accounts.models import Agent, ApiToken, User
from carriers.models import Carrier, Gateway
from polling.models import Pause, PollingConfig
from polling.policy.defaults import make_missing
from polling.schedule import limits
from tests.config.api.test_access import ROW, TABLE
from tests.factories import AgentFactory, CardFactory, GatewayFactory, SubscriptionFactory
from tests.support.api_calls import Caller

DOCS = Path(__file__).parents[3] / "docs"


@dataclass(frozen=True)
class Example:
    """One request that the documentation shows.

    `stored` is the shell variable that keeps a part of its answer: its ETag if `keeps_etag`, otherwise the id.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: str | None
    stored: str
    keeps_etag: bool

    def kept(self, headers: dict[str, str], answer: Any) -> str:
        """Return the part of an answer that the shell keeps."""
        return headers["etag"] if self.keeps_etag else str(answer.get("id") or answer["trigger_id"])

    @property
    def route(self) -> tuple[str, str]:
        """The path and the method, as a key of the access table."""
        path = re.sub(r"/([0-9]+|\$[A-Z]+)", f"/{ROW}", self.path.partition("?")[0])
        return path, self.method


def examples() -> Iterator[Example]:
    """Yield the requests of docs/api.md in order. They still contain the shell's variables."""
    block = (DOCS / "api.md").read_text().partition("### By hand\n")[2].partition("```\n\n###")[0]
    call = r'^(?:([A-Z]+)=\$\()?(ask|made|etag) ("\$API/.*(?:\n {4}.*)*)'
    for stored, function, words in re.findall(call, block, re.MULTILINE):
        address, *options = shlex.split(words.removesuffix(")") if stored else words)
        named = [pair for pair in itertools.pairwise(options) if pair[0].startswith("--")]
        sent = {name: value for name, value in named if name != "--header"}
        headers = dict(value.split(": ", 1) for name, value in named if name == "--header")
        body = sent.get("--data")
        method = sent.get("--request", "GET" if body is None else "POST")
        yield Example(method, address.removeprefix("$API/"), headers, body, stored, function == "etag")


def filled(text: str, variables: dict[str, str]) -> str:
    """Return the text with the values of the shell's variables."""
    return re.sub(r"\$([A-Z]+)", lambda match: variables[match[1]], text)


def send(caller: Caller, example: Example, variables: dict[str, str]) -> Any:
    """Send a request as the shell would, and keep what the shell would keep."""
    body = None if example.body is None else json.loads(filled(example.body, variables))
    headers = {name: filled(value, variables) for name, value in example.headers.items()}
    answer = caller.send(example.method.lower(), filled(example.path, variables), body, **headers)
    if example.stored:
        variables[example.stored] = example.kept({"etag": answer.get("ETag", "")}, answer.json())
    return answer


@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_every_documented_example_works_and_leaves_nothing(redis: Redis) -> None:
    make_missing()
    gateway = GatewayFactory.create()
    for card in CardFactory.create_batch(4, carrier=gateway.carrier, agent=AgentFactory.create()):
        SubscriptionFactory.create(card=card, carrier=gateway.carrier)
    limits.publish(redis)
    administrator = Caller.of("administrator")
    variables = {"TOMORROW": (timezone.now() + timedelta(days=1)).isoformat(), "NOW": "1234"}
    before = rows()

    answers = [(example, send(administrator, example, variables)) for example in examples()]

    assert len(answers) > 40
    for example, answer in answers:
        assert answer.status_code in {200, 201, 202, 204}, (example, answer.content)
    assert rows() == before


def rows() -> dict[str, set[int]]:
    """Return the ids of the rows that the examples could leave behind."""
    models = (Agent, ApiToken, Carrier, Gateway, Pause, PollingConfig, User)
    in_use = {ApiToken: ApiToken.objects.filter(revoked_at=None), User: User.objects.filter(is_active=True)}
    return {
        model.__name__: set(in_use.get(model, model._default_manager.all()).values_list("pk", flat=True))
        for model in models
    }


def test_every_path_has_an_example() -> None:
    shown = {example.route for example in examples()}

    assert shown <= set(TABLE)
    assert {path for path, _ in shown} >= {path for path, _ in TABLE if not path.endswith(str(ROW))}


def test_requests_in_the_operations_manual_exist() -> None:
    named = re.findall(
        r"`(GET|POST|PUT|DELETE) /api/admin/([a-z/{}_-]+)", (DOCS / "operations.md").read_text()
    )

    assert len(named) > 5
    assert {(path.replace("{id}", str(ROW)), method) for method, path in named} <= set(TABLE)

"""The requests in the documentation work when they are sent as shown there."""

import itertools
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone
from redis import Redis

from polling.models import trigger
from polling.policy.defaults import make_missing
from polling.schedule import limits
from tests.config.api.test_access import ROW, TABLE
from tests.factories import AgentFactory, CardFactory, GatewayFactory, SubscriptionFactory
from tests.support.api_calls import Caller

DOCS = Path(__file__).parents[3] / "docs"
MOMENT = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(Z|[+-][0-9:]{5})")


@dataclass(frozen=True)
class Example:
    """One request that the documentation shows."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any

    @property
    def route(self) -> tuple[str, str]:
        """The path and the method, as a key of the access table."""
        path = re.sub(r"/[0-9]+", f"/{ROW}", self.path.partition("?")[0])
        return path, self.method


def examples() -> Iterator[Example]:
    """Yield the examples of docs/api.md in order, with each timestamp replaced by a time tomorrow."""
    later = (timezone.now() + timedelta(days=1)).isoformat()
    block = (DOCS / "api.md").read_text().partition("### By hand\n")[2].partition("```\n\n###")[0]
    for call in re.findall(r'^ask "\$API/.*(?:\n {4}.*)*', block, re.MULTILINE):
        _, address, *options = shlex.split(MOMENT.sub(later, call))
        named = [pair for pair in itertools.pairwise(options) if pair[0].startswith("--")]
        sent = {name: value for name, value in named if name != "--header"}
        headers = dict(value.split(": ", 1) for name, value in named if name == "--header")
        body = json.loads(sent["--data"]) if "--data" in sent else None
        method = sent.get("--request", "GET" if body is None else "POST")
        yield Example(method, address.removeprefix("$API/"), headers, body)


@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_every_documented_example_works(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    # Make trigger ids predictable, because the examples name the third trigger.
    numbers = itertools.count()
    monkeypatch.setattr(trigger, "secrets", SimpleNamespace(randbelow=lambda _: next(numbers)))
    make_missing()
    gateway = GatewayFactory.create()
    for card in CardFactory.create_batch(4, carrier=gateway.carrier, agent=AgentFactory.create()):
        SubscriptionFactory.create(card=card, carrier=gateway.carrier)
    limits.publish(redis)
    administrator = Caller.of("administrator")

    answers = [
        (example, administrator.send(example.method.lower(), example.path, example.body, **example.headers))
        for example in examples()
    ]

    assert len(answers) > 30
    for example, answer in answers:
        # An example cannot know the current ETag, so 412 is the right answer.
        expected = {412} if "If-Match" in example.headers else {200, 201, 202, 204}
        assert answer.status_code in expected, (example, answer.content)


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

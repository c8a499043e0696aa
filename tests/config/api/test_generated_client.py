"""Clients that are generated from the schema carry out every documented request, and find all answers as described."""

import enum
import importlib
import json
import re
import shutil
import subprocess
import sys
import types
import typing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from redis import Redis

from accounts import tokens
from accounts.models import ApiToken
from polling.policy.defaults import make_missing
from polling.schedule import limits
from tests.config.api.test_documented_requests import Example, examples, filled
from tests.factories import AgentFactory, CardFactory, GatewayFactory, SubscriptionFactory, UserFactory

pytestmark = [pytest.mark.long_form, pytest.mark.only_long]
PACKAGE = "generated_client"
# Tools of Node.js that read the schema: what they are given, and what they must not print.
NODE_TOOLS = {
    "openapi-typescript": ("openapi-typescript@7", "{schema}", "-o", "{folder}/client.ts"),
    "redocly": ("@redocly/cli@2", "lint", "{schema}"),
    "spectral": (
        "@stoplight/spectral-cli@6",
        "lint",
        "{schema}",
        "--ruleset",
        "{folder}/spectral.yaml",
        "-F",
        "warn",
    ),
}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return dict(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


@pytest.fixture
def schema_file(schema: dict[str, Any], tmp_path: Path) -> Path:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps(schema))
    (tmp_path / "spectral.yaml").write_text('extends: ["spectral:oas"]')
    return file


@pytest.fixture
def client_package(schema_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Generate a Python client, and return the name of its package, which can be imported."""
    (tmp_path / "config.yaml").write_text("post_hooks: []")
    subprocess.run(
        (
            Path(sys.executable).with_name("openapi-python-client"), "generate", f"--path={schema_file}", "--meta=none",
            f"--output-path={tmp_path / PACKAGE}", f"--config={tmp_path / 'config.yaml'}", "--fail-on-warning",
        ),
        check=True,
    )  # fmt: skip
    monkeypatch.syspath_prepend(str(tmp_path))
    return PACKAGE


class Operation:
    """One operation of the schema, with the generated function that sends it."""

    def __init__(self, package: str, schema: dict[str, Any], example: Example) -> None:
        path, _, query = example.path.partition("?")
        templates = {
            template: re.fullmatch(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", template), f"/api/v1/{path}")
            for template in sorted(schema["paths"], key=lambda template: "{" in template)
        }
        template, match = next((template, match) for template, match in templates.items() if match)
        described = schema["paths"][template][example.method.lower()]
        module = f"{package}.api.{described['tags'][0].replace('-', '_')}.{described['operationId']}"
        self._send = importlib.import_module(module).sync_detailed
        self._hints = typing.get_type_hints(self._send)
        self.arguments = {**match.groupdict(), **dict(parse_qsl(query))}

    def send(self, client: Any, variables: dict[str, str], example: Example) -> Any:
        """Send the request, with typed arguments, and return the response of the generated client."""
        arguments = {
            name: converted(filled(text, variables), self._hints[name])
            for name, text in self.arguments.items()
        }
        for name, text in example.headers.items():
            arguments[name.lower().replace("-", "_")] = filled(text, variables)
        if example.body is not None:
            (model, *_) = kinds(self._hints["body"])
            arguments["body"] = model.from_dict(json.loads(filled(example.body, variables)))
        return self._send(client=client, **arguments)


def kinds(hint: Any) -> list[Any]:
    """Return the types that an annotation allows, without the client's own "unset"."""
    members = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return [member for member in members if member.__name__ != "Unset"]


def converted(text: str, hint: Any) -> Any:
    kind = kinds(hint)[0]
    if kind is bool:
        return text == "true"
    if kind is datetime:
        return datetime.fromisoformat(text)
    if issubclass(kind, int):
        return kind(int(text))
    return kind(text) if issubclass(kind, enum.Enum) else text


def plain(value: Any) -> Any:
    """Return JSON with times in one spelling."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return re.sub(r"\+00:00$", "Z", value) if isinstance(value, str) else value


@pytest.mark.django_db(transaction=True, reset_sequences=True)
def test_python_client_carries_out_every_documented_request(
    client_package: str, schema: dict[str, Any], live_server: Any, redis: Redis
) -> None:
    make_missing()
    gateway = GatewayFactory.create()
    for card in CardFactory.create_batch(4, carrier=gateway.carrier, agent=AgentFactory.create()):
        SubscriptionFactory.create(card=card, carrier=gateway.carrier)
    limits.publish(redis)
    token = tokens.issue(UserFactory.create(role="administrator"), name="x", scope=ApiToken.Scope.WRITE)[1]
    sender = importlib.import_module(f"{client_package}.client").AuthenticatedClient(
        base_url=live_server.url, token=token, raise_on_unexpected_status=True
    )
    variables = {"TOMORROW": (timezone.now() + timedelta(days=1)).isoformat(), "NOW": "1234"}

    with sender:
        for example in examples():
            answer = Operation(client_package, schema, example).send(sender, variables, example)

            assert answer.status_code < 300, (example, answer.content)
            found = json.loads(answer.content or b"null")
            if found is not None:
                # Nothing of the answer is lost or changed by the client's types.
                parsed = answer.parsed if isinstance(answer.parsed, list) else [answer.parsed]
                rows = found if isinstance(found, list) else [found]
                assert [plain(row.to_dict()) for row in parsed] == plain(rows), example
            if example.stored:
                variables[example.stored] = example.kept(dict(answer.headers), found)


@pytest.mark.skipif(shutil.which("npx") is None, reason="Node.js is not installed")
@pytest.mark.parametrize("tool", NODE_TOOLS)
def test_tools_of_node_find_nothing_wrong(schema_file: Path, tmp_path: Path, tool: str) -> None:
    names = {"schema": str(schema_file), "folder": str(tmp_path)}
    arguments = [argument.format(**names) for argument in NODE_TOOLS[tool]]

    done = subprocess.run(
        ("npx", "--yes", *arguments), capture_output=True, text=True, check=False, cwd=tmp_path
    )

    assert done.returncode == 0, done.stdout + done.stderr

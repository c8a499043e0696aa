"""A client that calls the API with the token of a user."""

import json
from typing import Any

from django.test import Client

from accounts import tokens
from accounts.models import ApiToken, User
from tests.factories import UserFactory

PREFIX = "/api/v1"


class Caller:
    """A caller of the API, authenticated by a token of `user`.

    Example::

        Caller.of("operator").post("polling-configs", {"name": "Night", "priority": 1})
    """

    def __init__(self, user: User, *, scope: ApiToken.Scope = ApiToken.Scope.WRITE) -> None:
        self.user = user
        self._client = Client()
        self._headers = {"Authorization": f"Bearer {tokens.issue(user, name='test', scope=scope)[1]}"}

    @classmethod
    def of(cls, role: str | None, **fields: Any) -> "Caller":
        return cls(UserFactory.create(role=role, **fields))

    def get(self, path: str, **query: Any) -> Any:
        return self._client.get(f"{PREFIX}/{path}", query, headers=self._headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("post", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("put", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("patch", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Any:
        return self.send("delete", path, None, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request and return the response.

        Keyword arguments are headers: `If_Match="..."` sends `If-Match`. A `bytes` body is sent unchanged, and
        any other body is sent as JSON.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        return self._client.generic(
            method.upper(),
            f"{PREFIX}/{path}",
            b"" if method in {"get", "delete"} else content,
            content_type=named.pop("Content-Type", "application/json"),
            headers={**self._headers, **named},
        )


def fields_refused(answer: Any) -> dict[str, str]:
    """Assert that the answer is a 400; return a dict from each refused field to its error code."""
    assert answer.status_code == 400, answer.content
    return {error["field"]: error["code"] for error in answer.json()["errors"]}


def code_of(answer: Any) -> tuple[int, str]:
    """Assert that the answer is a problem document; return its status and its error code."""
    assert answer["Content-Type"] == "application/problem+json", answer.content
    return answer.status_code, answer.json()["code"]

"""Every request and every Redis command of the run-book in docs/operations.md is answered as documented."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from polling.schedule import keys
from tests.faults.conftest import MakeStack, Stack

pytestmark = pytest.mark.processes
MANUAL = Path(__file__).parents[2] / "docs" / "operations.md"
PREFIX = "/api/admin"
CARDS = 300
# Path -> the manual's placeholder for the id in the answers of this path. Later steps use that id.
IDS = {"polling-configs": "config_id", "pauses": "pause_id", "polling-manual-trigger": "trigger_id"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    status: int
    body: str


@dataclass(frozen=True)
class Command:
    words: list[str]
    answer: str


def steps() -> Iterator[Request | Command]:
    section = MANUAL.read_text().partition("\n## The run-book\n")[2].partition("\n## ")[0]
    for kind, block in re.findall(r"^```(http|redis)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        lines = block.splitlines()
        if kind == "http":
            yield from map(request_of, lines)
        else:
            for command, answer in zip(lines[::2], lines[1::2], strict=True):
                yield Command(command.removeprefix("> ").split(), answer)


def request_of(line: str) -> Request:
    method, path, status, *body = line.split(" ", 3)
    return Request(method, path, int(status), "".join(body))


class Player:
    """A client that sends the steps to a web process. It remembers the ids in the answers for later steps."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._site = stack, stack.start_web()
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {stack.token}"
        cards = sorted(stack.scheduled())
        ((carrier,),) = stack.rows("SELECT min(id) FROM carriers_carrier")
        self._known: dict[str, Any] = {
            "card_id": cards[0],
            "card_ids": cards[1:4],
            "other_card_ids": cards[4:7],
            "carrier_id": carrier,
            "tomorrow": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        }

    def ask(self, request: Request) -> Any:
        answer = self._session.request(
            request.method,
            self._site + self._filled(request.path),
            data=self._filled(request.body).encode() or None,
            headers={"Content-Type": "application/json"},
            timeout=20,
        )
        assert answer.status_code == request.status, (request, answer.text)
        found = answer.json() if answer.content else None
        if isinstance(found, dict) and "accepted" in found:
            assert found["accepted"] > 0, (request, found)
        name = IDS.get(request.path.removeprefix(f"{PREFIX}/").partition("/")[0].partition("?")[0])
        if name and isinstance(found, dict) and (made := found.get("id", found.get("trigger_id"))):
            self._known[name] = made
        return found

    def command(self, command: Command) -> None:
        redis: Any = self._stack.redis
        answer = redis.execute_command(*command.words)
        assert answer is not None, command
        assert command.answer in ("*", str(answer)), command

    def has_ended(self) -> bool:
        status = Request("GET", f"{PREFIX}/polling-manual-trigger/status?trigger_id={{trigger_id}}", 200, "")
        return bool(self.ask(status)["ended_at"])

    def _filled(self, text: str) -> str:
        for name, value in self._known.items():
            shown = value if isinstance(value, str) else json.dumps(value)
            text = text.replace(f"{{{name}}}", shown)
        return text


def test_run_book_steps_answer_as_documented(make_stack: MakeStack) -> None:
    stack = make_stack(CARDS, POLLING_SEED_RAMP_SECONDS="0")
    stack.start_engine(with_background=True)
    stack.wait_until(lambda: stack.redis.hget(keys.stats("carddata"), "failed"), seconds=60, what="a check")
    player = Player(stack)
    played = list(steps())

    for step in played:
        if isinstance(step, Command):
            player.command(step)
            continue
        player.ask(step)
        if step.path.endswith("/single"):
            stack.wait_until(player.has_ended, seconds=30, what="the card that was asked for is checked")

    requested = {step.path.partition("?")[0] for step in played if isinstance(step, Request)}
    documented = re.findall(r"`(/[a-z-]+(?:/[a-z-]+)*)`", MANUAL.with_name("api.md").read_text())
    assert len(played) > 30
    assert {path for path in documented if path.startswith("/polling-")} <= {
        path.removeprefix(PREFIX) for path in requested
    }

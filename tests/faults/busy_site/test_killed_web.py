"""When the web process is killed while checks are triggered, each repeated request takes effect only once."""

import os
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from functools import partial

import pytest
import requests

from tests.faults.conftest import Stack
from tests.support.faults.api import Api

pytestmark = pytest.mark.faults
# Stay below the user's 100 triggers a day, because other modules of this folder trigger checks, too.
TRIGGERS, KILLS = 60, 3
TRIGGERED = "SELECT id FROM polling_manualtrigger"


class Caller(threading.Thread):
    """A thread that triggers cards in turn. It repeats each request, with the same key, until answered."""

    def __init__(self, api: Api, cards: list[int]) -> None:
        super().__init__(daemon=True)
        self._api, self._cards = api, cards
        self.accepted: list[int] = []
        self.refused: list[str] = []
        self.repeated = 0

    def run(self) -> None:
        for card_id in self._cards:
            while (answer := self._trigger(card_id)) is None:
                self.repeated += 1
                time.sleep(0.1)
            if answer.status_code == 202:
                self.accepted.append(answer.json()["trigger_id"])
            else:
                self.refused.append(answer.text)

    def _trigger(self, card_id: int) -> requests.Response | None:
        """Return the answer, or None if none arrived or an earlier request with this key is still running."""
        with suppress(requests.RequestException):
            answer = self._api.trigger(card_id, idempotency_key=f"card-{card_id}")
            return None if answer.status_code == 409 else answer
        return None


def test_killed_web_accepts_each_trigger_exactly_once(stack: Stack, api: Api) -> None:
    old_triggers, old_operations = triggers(stack), operations(stack)
    caller = Caller(api, sorted(stack.scheduled())[:TRIGGERS])

    caller.start()
    for kill in range(1, KILLS + 1):
        stack.wait_until(
            partial(has_accepted, caller, kill * TRIGGERS // (KILLS + 1)),
            seconds=60,
            what="triggers are accepted",
        )
        os.killpg(stack.pid("web"), signal.SIGKILL)
    stack.wait_until(lambda: not caller.is_alive(), seconds=90, what="every trigger is answered")

    assert caller.refused == []
    assert caller.repeated > 0
    assert_each_exists_once(
        caller.accepted, triggers(stack) - old_triggers, operations(stack) - old_operations
    )
    stack.wait_until(
        lambda: not stack.rows(f"{TRIGGERED} WHERE status <> 'finished'"), seconds=60, what="all triggers end"
    )
    print(f"\n{len(caller.accepted)} triggers through {KILLS} kills, {caller.repeated} requests repeated")


def has_accepted(caller: Caller, triggers: int) -> bool:
    return len(caller.accepted) >= triggers


def triggers(stack: Stack) -> set[int]:
    return {trigger_id for (trigger_id,) in stack.rows(TRIGGERED)}


def operations(stack: Stack) -> Counter[int]:
    """Return how often each trigger id occurs in the audit log."""
    return Counter(
        int(target)
        for (target,) in stack.rows(
            "SELECT target_id FROM audit_operation WHERE target_type = 'polling.manualtrigger'"
        )
    )


def assert_each_exists_once(accepted: list[int], stored: set[int], recorded: Counter[int]) -> None:
    assert len(accepted) == TRIGGERS
    assert sorted(accepted) == sorted(stored)
    assert recorded == Counter(accepted)

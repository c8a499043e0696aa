"""The web process is killed while checks are triggered: who sends his request again is heard exactly once."""

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
# A user may ask a hundred times a day, and other modules do as well.
TRIGGERS, KILLS = 60, 3
TRIGGERED = "SELECT id FROM polling_manualtrigger"


class Caller(threading.Thread):
    """Triggers one card after the other; without an answer it sends the same request with the same key again."""

    def __init__(self, api: Api, cards: list[int]) -> None:
        super().__init__(daemon=True)
        self._api, self._cards = api, cards
        self.accepted: list[int] = []
        self.refused: list[str] = []
        self.repeated = 0

    def run(self) -> None:
        for card_id in self._cards:
            while (answer := self._ask(card_id)) is None:
                self.repeated += 1
                time.sleep(0.1)
            if answer.status_code == 202:
                self.accepted.append(answer.json()["trigger_id"])
            else:
                self.refused.append(answer.text)

    def _ask(self, card_id: int) -> requests.Response | None:
        """The final answer. None: nobody knows what has become of it, or another one is still at it."""
        with suppress(requests.RequestException):
            answer = self._api.trigger(card_id, idempotency_key=f"card-{card_id}")
            return None if answer.status_code == 409 else answer
        return None


def test_each_trigger_is_accepted_once_recorded_and_ended(stack: Stack, api: Api) -> None:
    others, others_recorded = triggers(stack), recorded(stack)
    caller = Caller(api, sorted(stack.scheduled())[:TRIGGERS])

    caller.start()
    for kill in range(1, KILLS + 1):
        stack.wait_until(
            partial(has_accepted, caller, kill * TRIGGERS // (KILLS + 1)), seconds=60, what="triggers"
        )
        os.killpg(stack.pid("web"), signal.SIGKILL)
    stack.wait_until(lambda: not caller.is_alive(), seconds=90, what="every trigger is answered")

    assert caller.refused == []
    assert caller.repeated > 0
    assert_each_is_there_once(caller.accepted, triggers(stack) - others, recorded(stack) - others_recorded)
    stack.wait_until(
        lambda: not stack.rows(f"{TRIGGERED} WHERE status <> 'finished'"), seconds=60, what="all triggers end"
    )
    print(f"\n{len(caller.accepted)} triggers through {KILLS} kills, {caller.repeated} requests sent again")


def has_accepted(caller: Caller, triggers: int) -> bool:
    return len(caller.accepted) >= triggers


def triggers(stack: Stack) -> set[int]:
    return {one for (one,) in stack.rows(TRIGGERED)}


def recorded(stack: Stack) -> Counter[int]:
    """How often each trigger is."""
    return Counter(
        int(target)
        for (target,) in stack.rows(
            "SELECT target_id FROM audit_operation WHERE target_type = 'polling.manualtrigger'"
        )
    )


def assert_each_is_there_once(accepted: list[int], found: set[int], operations: Counter[int]) -> None:
    assert len(accepted) == TRIGGERS
    assert sorted(accepted) == sorted(found)
    assert operations == Counter(accepted)

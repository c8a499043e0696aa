from types import SimpleNamespace
from typing import Any, cast

import pytest

from common import request_ids
from common.tasks import HEADER, bind_request_id, send_request_id


@pytest.mark.parametrize("offered", ["abc", "A-1_b.c", "x" * 64])
def test_well_formed_id_is_kept(offered: str) -> None:
    assert request_ids.accept(offered) == offered


@pytest.mark.parametrize("offered", [None, "", "a b", "x" * 65, "ü", "a\n", "a;b"])
def test_malformed_id_is_replaced(offered: str | None) -> None:
    assert request_ids.accept(offered) != offered


def test_task_has_the_id_of_the_request_that_sent_it() -> None:
    headers: dict[str, Any] = {}
    request_ids.bind("request-1")
    send_request_id(headers=headers)
    request_ids.bind("another")

    bind_request_id(task=cast(Any, SimpleNamespace(request=SimpleNamespace(headers=headers))))

    assert headers == {HEADER: "request-1"}
    assert request_ids.current() == "request-1"


def test_message_without_a_valid_id_gets_a_new_one() -> None:
    for headers in (None, {}, {HEADER: "a b"}):
        request_ids.bind("earlier-task")
        bind_request_id(task=cast(Any, SimpleNamespace(request=SimpleNamespace(headers=headers))))
        assert len(request_ids.current()) == 32

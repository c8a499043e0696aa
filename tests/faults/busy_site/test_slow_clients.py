"""Clients that send or read slowly hold no thread, so the site answers everybody else."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.support.faults.api import CALLERS, Api

pytestmark = pytest.mark.faults
SLOW_CLIENTS = 4 * CALLERS
MAX_SECONDS = 2.0
HALF_A_HEAD = "GET /api/v1/agents HTTP/1.1\r\nHost: 127."
HALF_A_BODY = (
    "POST /api/v1/polling-configs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    'Content-Length: 90000\r\nAuthorization: Bearer x\r\n\r\n{"name": '
)
# The answer is larger than the buffers of the sockets, and the client does not read it.
UNREAD = "GET /static/admin/js/vendor/jquery/jquery.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 8


@pytest.fixture(
    params=[HALF_A_HEAD, HALF_A_BODY, UNREAD], ids=["half a head", "half a body", "unread answers"]
)
def slow_clients(request: pytest.FixtureRequest, api: Api) -> Iterator[None]:
    """Connect many clients that send the text of the parameter, and nothing more."""
    address = urlsplit(api.site)
    with ExitStack() as sockets:
        for _ in range(SLOW_CLIENTS):
            connected = socket.socket()
            sockets.enter_context(connected)
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connected.connect((address.hostname, address.port))
            connected.sendall(request.param.encode())
        yield


@pytest.mark.usefixtures("slow_clients")
def test_slow_clients_do_not_slow_down_the_site(api: Api) -> None:
    answers = [api.timed_page(path) for path in ("livez", "api/v1/agents", "api/v1/gateways", "readyz")]

    assert [answer.status_code for _, answer in answers] == [200] * 4
    assert max(took for took, _ in answers) < MAX_SECONDS


@pytest.mark.parametrize("is_chunked", [False, True])
def test_too_large_body_is_refused(api: Api, *, is_chunked: bool) -> None:
    body = b'{"name": "' + b"x" * 3_000_000 + b'"}'

    answer = api.post_raw("polling-configs", iter([body]) if is_chunked else body)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

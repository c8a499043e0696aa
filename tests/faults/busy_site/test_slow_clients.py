"""Clients that send or read slowly hold no thread, so the site answers everybody else."""

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from config.web_worker import HEAD_SECONDS
from tests.support.faults.api import CALLERS, Api

pytestmark = pytest.mark.faults
SLOW_CLIENTS = 4 * CALLERS
# gunicorn's `worker_connections`.
MAX_CONNECTIONS = 1000
MAX_SECONDS = 2.0
HALF_A_HEAD = "GET /api/v1/agents HTTP/1.1\r\nHost: 127."
HALF_A_BODY = (
    "POST /api/v1/polling-configs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    'Content-Length: 90000\r\nAuthorization: Bearer x\r\n\r\n{"name": '
)
# The answer is larger than the buffers of the sockets, and the client does not read it.
UNREAD = "GET /static/admin/js/vendor/jquery/jquery.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 8


def connected_to(api: Api) -> socket.socket:
    address = urlsplit(api.site)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((address.hostname, address.port))
    return client


@pytest.fixture(
    params=[HALF_A_HEAD, HALF_A_BODY, UNREAD], ids=["half a head", "half a body", "unread answers"]
)
def slow_clients(request: pytest.FixtureRequest, api: Api) -> Iterator[None]:
    """Connect many clients that send the text of the parameter, and nothing more."""
    with ExitStack() as sockets:
        for _ in range(SLOW_CLIENTS):
            sockets.enter_context(connected_to(api)).sendall(request.param.encode())
        yield


@pytest.mark.usefixtures("slow_clients")
def test_slow_clients_do_not_slow_down_the_site(api: Api) -> None:
    answers = [api.timed_page(path) for path in ("livez", "api/v1/agents", "api/v1/gateways", "readyz")]

    assert [answer.status_code for _, answer in answers] == [200] * 4
    assert max(took for took, _ in answers) < MAX_SECONDS


def test_connection_without_a_whole_head_is_closed(api: Api) -> None:
    with connected_to(api) as silent, connected_to(api) as slow:
        slow.sendall(HALF_A_HEAD.encode())
        for client in (silent, slow):
            client.settimeout(HEAD_SECONDS + 10)

            assert client.recv(1000) == b""


def test_connections_beyond_the_limit_do_not_lock_out_others(api: Api) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as sockets:
        silent = [sockets.enter_context(connected_to(api)) for _ in range(MAX_CONNECTIONS + 100)]

        answers = [api.timed_page(path) for path in ("livez", "api/v1/agents")]

        assert [answer.status_code for _, answer in answers] == [200] * 2
        assert max(took for took, _ in answers) < MAX_SECONDS
        # The oldest connections have made room.
        silent[0].settimeout(5)
        assert silent[0].recv(1000) == b""


def test_absurd_content_length_is_a_bad_request(api: Api) -> None:
    with connected_to(api) as client:
        client.settimeout(10)
        client.sendall(f"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: {'9' * 5000}\r\n\r\n".encode())

        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("is_chunked", [False, True])
def test_too_large_body_is_refused(api: Api, *, is_chunked: bool) -> None:
    body = b'{"name": "' + b"x" * 3_000_000 + b'"}'

    answer = api.post_raw("polling-configs", iter([body]) if is_chunked else body)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")

"""A connection notices within 25 s, instead of after hours, that the network drops all packets."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from redis import Redis

from common.redis.client import for_web, for_worker
from config.celery import app

OPTIONS = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
EXPECTED = [10, 5, 3, 25_000]


def socket_of(client: Any) -> socket.socket:
    used = client.connection_pool.get_connection()
    client.connection_pool.release(used)
    connected: socket.socket = used._sock
    return connected


def options_of(connected: socket.socket) -> list[int]:
    assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return [connected.getsockopt(socket.IPPROTO_TCP, option) for option in OPTIONS]


@pytest.mark.parametrize("client", [for_web, for_worker])
@pytest.mark.usefixtures("redis")
def test_redis_connections_notice_a_dead_network(client: Callable[[], Redis]) -> None:
    assert options_of(socket_of(client())) == EXPECTED


@pytest.mark.django_db
def test_postgresql_connections_notice_a_dead_network() -> None:
    connection.ensure_connection()

    with socket.fromfd(connection.connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as same:
        assert options_of(same) == EXPECTED


@pytest.mark.usefixtures("redis")
def test_broker_connections_notice_a_dead_network() -> None:
    with app.connection_for_read() as broker:
        channel: Any = broker.default_channel

        assert options_of(socket_of(channel.client)) == EXPECTED

"""A gateway with a self-signed certificate gets no requests until its URL is corrected."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from carriers import keys as gateway_keys
from lab.simulator.fleet import CARRIERS
from tests.faults.conftest import MakeStack, Stack, data_usage_every
from tests.support.faults.judge import assert_stored_values_match_carriers, invariant_holds

pytestmark = pytest.mark.faults
SICK = CARRIERS[0].code
NOT_VALID = "the certificate is not valid"
IS_SICK = f"gateway.base_url LIKE '%/{SICK}'"
READ = f"""
    SELECT count(*) FILTER (WHERE {IS_SICK}), count(*) FILTER (WHERE NOT {IS_SICK})
    FROM cards_cardusage AS meter JOIN cards_card AS card ON card.id = meter.card_id
    JOIN carriers_gateway AS gateway ON gateway.carrier_id = card.carrier_id AND gateway.is_default
"""


def tls_context(folder: Path) -> ssl.SSLContext:
    """Return a server's TLS context that uses a new self-signed certificate for 127.0.0.1."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]),
    )
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / "gateway.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


@contextmanager
def impostor(folder: Path, received: list[bytes]) -> Iterator[int]:
    """Run a server with an untrusted certificate and yield its port. Append received data to `received`."""
    context = tls_context(folder)

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                    received.append(secured.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, args=(listener,), daemon=True)
        serving.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    serving.join(5)


def is_open(stack: Stack, gateway_id: int) -> bool:
    return bool(stack.redis.hexists(gateway_keys.breaker(gateway_id), "opened_at"))


def set_url(stack: Stack, gateway_id: int, url: str) -> None:
    stack.rows(f"UPDATE carriers_gateway SET base_url = '{url}' WHERE id = {gateway_id} RETURNING id")


def test_bad_certificate_stops_one_gateway_only(make_stack: MakeStack, tmp_path: Path) -> None:
    small_calls = "UPDATE carriers_gateway SET batch_size = 5"
    stack = make_stack(600, data_usage_every(30), small_calls, POLLING_SEED_RAMP_SECONDS="30")
    ((gateway_id, url),) = stack.rows(f"SELECT id, base_url FROM carriers_gateway AS gateway WHERE {IS_SICK}")
    received: list[bytes] = []

    with impostor(tmp_path, received) as port:
        set_url(stack, gateway_id, f"https://127.0.0.1:{port}/c/{SICK}")
        stack.start_engine()
        stack.wait_until(lambda: is_open(stack, gateway_id), seconds=60, what="its breaker opens")
        stack.wait_until(
            lambda: NOT_VALID in stack.log("worker-checks"), seconds=30, what="the reason is logged"
        )
        stack.wait_until(
            lambda: stack.rows(READ)[0][1] > 200, seconds=60, what="cards of other gateways are read"
        )
        ((read_from_impostor, _),) = stack.rows(READ)
        set_url(stack, gateway_id, url)

    assert read_from_impostor == 0
    assert received == []
    stack.wait_until(lambda: not is_open(stack, gateway_id), seconds=60, what="its breaker closes")
    stack.wait_until(lambda: stack.rows(READ)[0][0] > 0, seconds=60, what="its cards are read")
    assert invariant_holds(stack)
    assert_stored_values_match_carriers(stack)

from ipaddress import ip_network

import pytest

from common.http.guard import AddressRefusedError, check

PRIVATE = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "64:ff9b::a00:1",
    "2001::1",
    "2001:db8::1",
    "2002:a00:1::1",
    "3fff::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::7f00:1",
    "fec0::1",
    "fe80::1%eth0",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "172.32.0.1",
    "168.63.129.17",
    "2606:4700::1111",
    "::ffff:1.1.1.1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_address_is_refused(address: str) -> None:
    with pytest.raises(AddressRefusedError):
        check(address, port=443, is_encrypted=True, allowed=())


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_passes_with_tls(address: str) -> None:
    check(address, port=443, is_encrypted=True, allowed=())


def test_public_address_without_tls_is_refused() -> None:
    with pytest.raises(AddressRefusedError, match="https"):
        check("1.1.1.1", port=443, is_encrypted=False, allowed=())


@pytest.mark.parametrize("port", [22, 25, 80, 5432, 6379])
def test_other_port_of_a_public_address_is_refused(port: int) -> None:
    with pytest.raises(AddressRefusedError, match="port"):
        check("1.1.1.1", port=port, is_encrypted=True, allowed=())


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_allowed_network_passes_on_any_port_without_tls(address: str) -> None:
    check(address, port=9100, is_encrypted=False, allowed=(ip_network("10.0.0.0/8"),))


def test_allowed_network_opens_no_other_network() -> None:
    with pytest.raises(AddressRefusedError):
        check("11.0.0.1", port=9100, is_encrypted=False, allowed=(ip_network("10.0.0.0/8"),))

from ipaddress import ip_network

import pytest

from common.addresses import last_untrusted_address, source_address_for

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        # This peer is not a trusted proxy, so its header is ignored.
        ("192.0.2.7", ["198.51.100.1"], "192.0.2.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.5", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["203.0.113.5", "198.51.100.1", " 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("", ["198.51.100.1"], None),
        # Proxies write addresses with ports, brackets and quotes.
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ['"198.51.100.1:4711"'], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", ["[2001:db8::7]:443"], "2001:db8::7"),
        ("10.0.0.1", [' "[2001:db8::7]:443"'], "2001:db8::7"),
        ("10.0.0.1", ["198.51.100.1", "10.0.0.2:8080", "[fd00::2]:8080"], "198.51.100.1"),
        ("10.0.0.1", ["[::ffff:198.51.100.1]:443"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:port"], "10.0.0.1"),
        ("10.0.0.1", ["[198.51.100.1"], "10.0.0.1"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
    ],
)
def test_client_is_the_last_untrusted_address(peer: str, forwarded: list[str], client: str | None) -> None:
    assert last_untrusted_address(peer, forwarded, trusted=PROXIES) == client


def test_source_address_for_a_client() -> None:
    assert source_address_for("127.0.0.1") == "127.0.0.1"
    assert source_address_for("nonsense") is None

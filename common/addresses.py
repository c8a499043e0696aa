"""Find a client's address behind trusted proxies, and the local address that sends packets to it."""

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

# `[2001:db8::1]:443`, `[2001:db8::1]` or `192.0.2.1:443`.
_WITH_PORT = re.compile(r"\[(?P<v6>[^\]]*)\](?::\d{1,5})?|(?P<v4>[\d.]+):\d{1,5}")
# The port does not matter, because connecting a UDP socket sends no packet.
_PORT = 9


def client_address(request: HttpRequest) -> str | None:
    """Return the client's address.

    Return None if it is unknown, for example if the server listens on a Unix socket.
    """
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    peer = request.META.get("REMOTE_ADDR", "")
    return last_untrusted_address(peer, forwarded, trusted=settings.COMMON.trusted_proxies)


def last_untrusted_address(
    peer: str, forwarded: Sequence[str], *, trusted: Sequence[IPv4Network | IPv6Network]
) -> str | None:
    """Return the address nearest to this server that is not a trusted proxy.

    `peer` is the address that the connection came from. `forwarded` holds the entries of X-Forwarded-For in
    the header's order. The search begins with `peer` and then reads `forwarded` from the end, because the
    entries before the client's own address may be forged. The search stops at an entry that is no address. If
    it finds only trusted proxies, return the last one read. If it finds no address at all, return None.
    """
    found = None
    for text in [peer, *reversed(forwarded)]:
        address = _address(text)
        if address is None:
            break
        found = address
        if not any(address in network for network in trusted):
            break
    return str(found) if found else None


def source_address_for(client: str) -> str | None:
    """Return the local address from which this host sends packets to `client`; None if there is no route."""
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            udp.connect((client, _PORT))
            return str(udp.getsockname()[0])
    except OSError:
        return None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address, with or without quotes, brackets and a port, as different proxies write it."""
    matched = _WITH_PORT.fullmatch(text.strip(' \t"'))
    bare = (matched["v6"] or matched["v4"]) if matched else text.strip(' \t"')
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # Unwrap an IPv4-mapped address. Drop the zone, because it means something only on the sender's host.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address

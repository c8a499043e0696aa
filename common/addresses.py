"""The address of a client behind trusted proxies, and the address of this host that the client reaches."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

# Any port will do: connecting a UDP socket sends nothing.
_PORT = 9


def client_address(request: HttpRequest) -> str | None:
    """Return the client's address; None when it is not known, as on a Unix socket without a proxy."""
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    peer = request.META.get("REMOTE_ADDR", "")
    return last_untrusted_address(peer, forwarded, trusted=settings.COMMON.trusted_proxies)


def last_untrusted_address(
    peer: str, forwarded: Sequence[str], *, trusted: Sequence[IPv4Network | IPv6Network]
) -> str | None:
    """Return the last address of the chain that is not a trusted proxy, or the first one if all are. Pure.

    `forwarded` is X-Forwarded-For in its order; an unreadable entry ends the chain. Entries before the
    returned address may be forged by the client.
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
    """Return the address of this host that packets to `client` leave from; None when there is no route."""
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as udp:
            udp.connect((client, _PORT))
            return str(udp.getsockname()[0])
    except OSError:
        return None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A zone only means something on its own host; a mapped address is the client's real one.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address

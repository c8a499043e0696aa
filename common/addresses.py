"""Who a request comes from, behind proxies that are trusted, and the address of this host that faces a client."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

# Any port: nothing is sent.
_PORT = 9


def client_of(request: HttpRequest) -> str | None:
    """The client's address; None when the server does not say, as on a Unix socket without a trusted proxy."""
    forwarded = request.headers.get("X-Forwarded-For", "").split(",")
    peer = request.META.get("REMOTE_ADDR", "")
    return client_behind(peer, forwarded, trusted=settings.COMMON.trusted_proxies)


def client_behind(
    peer: str, forwarded: Sequence[str], *, trusted: Sequence[IPv4Network | IPv6Network]
) -> str | None:
    """The last address of the way, as proxies have noted it, that is no trusted proxy. Pure.

    What stands before it was written by the client itself, or by somebody whom nobody vouches for.
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


def towards(client: str) -> str | None:
    """The address of this host that packets to `client` leave from; None when there is no way."""
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((client, _PORT))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A zone is of one host's own; a mapped address is the client's real one.
        return address.ipv4_mapped or IPv6Address(int(address))
    return address

"""The address guard: decide whether an address may be called. `outgoing` applies it to each socket.

Don't use `ipaddress.is_global` instead: on some versions of Python it accepts NAT64, 6to4, v4-compatible and
site-local addresses. Sources of the tables: the IANA special-purpose address registries, RFC 6890, RFC 9637.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

PUBLIC_PORTS = frozenset({443, 8443})

_DENIED_V4 = tuple(
    IPv4Network(text)
    for text in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",
    ]
)
_ALLOWED_V6 = IPv6Network("2000::/3")
_DENIED_V6 = tuple(IPv6Network(text) for text in ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"])


class AddressRefusedError(OSError):
    """The guard refuses an address. The error is an OSError, so that aiohttp passes it on to its caller."""


def check(address: str, *, port: int, is_encrypted: bool, allowed: Sequence[Network]) -> None:
    """Raise AddressRefusedError unless `address` may be called.

    An address in one of the `allowed` networks may be called on any port and without TLS. Any other address
    must be public, and may be called only with TLS and on a port in `PUBLIC_PORTS`.
    """
    ip = _unwrapped(address)
    if any(ip in network for network in allowed):
        return
    if not _is_public(ip):
        raise AddressRefusedError("the address is not public and not in an allowed network")
    if not is_encrypted:
        raise AddressRefusedError("the address is public, so https is required")
    if port not in PUBLIC_PORTS:
        raise AddressRefusedError(f"port {port} is not one of {sorted(PUBLIC_PORTS)}")


def _unwrapped(address: str) -> IPv4Address | IPv6Address:
    ip = ip_address(address.split("%", maxsplit=1)[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        return ip.ipv4_mapped
    return ip


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _DENIED_V4)
    return ip in _ALLOWED_V6 and not any(ip in network for network in _DENIED_V6)

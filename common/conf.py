"""Settings of `common`: what changes with a deploy."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True)
class CommonSettings:
    """`gateway_networks`: private networks that gateways, and only they, may be reached in."""

    gateway_networks: tuple[IPv4Network | IPv6Network, ...] = ()

"""Settings of `common`: what changes with a deploy."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path


@dataclass(frozen=True)
class CommonSettings:
    """What is not of a domain.

    `gateway_networks`: private networks that gateways, and only they, may be reached in.
    `log_folder`: where workers and the web process write log files; None: they do not.
    `trusted_proxies`: networks of the proxies that say truly, in `X-Forwarded-For`, whom they ask for.
    `watched_folders`: where this host keeps code, data and logs; health looks how full their disks are.
    """

    gateway_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    log_folder: Path | None = None
    watched_folders: tuple[Path, ...] = ()

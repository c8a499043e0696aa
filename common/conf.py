"""Settings of `common` that differ between deployments."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path


@dataclass(frozen=True)
class CommonSettings:
    """Settings that belong to no domain.

    `gateway_networks`: private networks in which gateways may be called. No other private address may be.
    `log_folder`: folder for the log files of workers and the web process. None: no log files.
    `trusted_proxies`: networks of the proxies whose `X-Forwarded-For` header is believed.
    `watched_folders`: folders with code, data and logs; the health check looks at the free space of their
    disks.
    """

    gateway_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    log_folder: Path | None = None
    watched_folders: tuple[Path, ...] = ()

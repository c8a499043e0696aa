"""Settings of `common` that differ between deployments."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path


@dataclass(frozen=True)
class CommonSettings:
    """Settings that any app may use.

    `gateway_networks`: the only private networks in which gateways may be called.
    `log_folder`: the folder for the log files of workers and the web process. None means no log files.
    `trusted_proxies`: the networks of the proxies whose `X-Forwarded-For` header is believed.
    `watched_folders`: folders with code, data or logs. A health check reports their disks' free space.
    """

    gateway_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    log_folder: Path | None = None
    watched_folders: tuple[Path, ...] = ()

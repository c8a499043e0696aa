"""The adapters: how gateways are spoken to."""

from typing import Final

from carriers.clients.base import GatewayClient
from carriers.clients.json_contract import JsonClient

ADAPTERS: Final[dict[str, type[GatewayClient]]] = {"json": JsonClient}

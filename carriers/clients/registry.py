"""The adapters: which client class calls the gateways of each adapter."""

from typing import Final

from carriers.clients.base import CredentialsError, GatewayAddress, GatewayClient
from carriers.clients.json_contract import JsonClient

ADAPTERS: Final[dict[str, type[GatewayClient]]] = {"json": JsonClient}
# Checking credentials makes no call, so any timeout will do.
_NO_TIMEOUT: Final = 0.0


def unusable_reason(adapter: str, *, base_url: str, credentials: str) -> str | None:
    """Return why the client cannot use the address and the credentials, without secrets; None when it can."""
    try:
        ADAPTERS[adapter].check(GatewayAddress(base_url, credentials, _NO_TIMEOUT))
    except CredentialsError as error:
        return str(error)
    return None

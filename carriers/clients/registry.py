"""The registry of adapters: the name of each adapter, and the client class for its gateways."""

from typing import Final

from carriers.clients.base import CredentialsError, GatewayAddress, GatewayClient
from carriers.clients.json_contract import JsonClient

ADAPTERS: Final[dict[str, type[GatewayClient]]] = {"json": JsonClient}
# The timeout does not matter, because checking credentials makes no call.
_NO_TIMEOUT: Final = 0.0


def client_of(adapter: str) -> type[GatewayClient]:
    """Return the client class of an adapter. Raise CredentialsError if there is no such adapter."""
    if adapter not in ADAPTERS:
        raise CredentialsError(f"there is no adapter {adapter!r}")
    return ADAPTERS[adapter]


def unusable_reason(adapter: str, *, base_url: str, credentials: str) -> str | None:
    """Return why the adapter cannot use the base URL or the credentials. Return None if it can use both.

    The reason contains no secret.
    """
    try:
        client_of(adapter).check(GatewayAddress(base_url, credentials, _NO_TIMEOUT))
    except CredentialsError as error:
        return str(error)
    return None

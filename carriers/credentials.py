"""Whether a gateway can be spoken to with an address and credentials: its client says it."""

from carriers.clients.base import CredentialsError, GatewayAddress
from carriers.clients.registry import ADAPTERS
from carriers.models import MAX_TIMEOUT_SECONDS


def why_unusable(adapter: str, *, base_url: str, credentials: str) -> str | None:
    """What is wrong with them, without showing any of it; None: nothing."""
    address = GatewayAddress(base_url, credentials, MAX_TIMEOUT_SECONDS)
    try:
        ADAPTERS[adapter].check(address)
    except CredentialsError as error:
        return str(error)
    return None

"""The profile of a card: everything that determines which checks a card gets, and how often."""

from typing import Final, NamedTuple

from cards.models.card import POLLED_STATUSES
from cards.sharing import HAS_OWN_MAIN


class CardProfile(NamedTuple):
    """The values of a card that configs look at. Queries return the columns in the order of these fields.

    All cards with the same profile get the same decision. There are fewer than two thousand profiles, so
    deciding once per profile is much cheaper than deciding for each card.
    """

    carrier_id: int
    category: str
    status: int
    real_name_status: str
    network_status: str
    enable_polling: bool
    is_subscribed: bool

    @property
    def is_polled(self) -> bool:
        """Whether cards with this profile are checked at all."""
        return self.enable_polling and self.status in POLLED_STATUSES


PROFILE_FIELDS: Final = CardProfile._fields
# Computed instead of stored, because a subscription can begin or end without a write to the card's row.
_IS_SUBSCRIBED: Final = f"""(
    {HAS_OWN_MAIN}
    OR EXISTS (SELECT FROM cards_subscription AS shared
               WHERE shared.device_id = card.device_id AND shared.kind = 'main' AND shared.ends_at IS NULL)
)"""
# Maps each field to its SQL expression, which refers to the table cards_card by the alias `card`.
PROFILE_SQL: Final = {field: f"card.{field}" for field in PROFILE_FIELDS} | {"is_subscribed": _IS_SUBSCRIBED}
PROFILE_COLUMNS: Final = ", ".join(PROFILE_SQL.values())

"""The class of a card: all that decides which checks it wants, and how often."""

from typing import Final, NamedTuple

from cards.models.card import POLLED_STATUSES


class CardProfile(NamedTuple):
    """Columns of a card, in the order in which they are read, and whether usage counts on a plan.

    There are fewer than two thousand classes, so what is decided for one is decided for all its cards.
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
        """Whether its cards want checks at all."""
        return self.enable_polling and self.status in POLLED_STATUSES


PROFILE_FIELDS: Final = CardProfile._fields
# Not a column of the card: subscriptions of cards and devices come and go without it.
_IS_SUBSCRIBED: Final = """(
    EXISTS (SELECT FROM cards_subscription AS own
            WHERE own.card_id = card.id AND own.kind = 'main' AND own.ends_at IS NULL)
    OR EXISTS (SELECT FROM cards_subscription AS shared
               WHERE shared.device_id = card.device_id AND shared.kind = 'main' AND shared.ends_at IS NULL)
)"""
# Field -> SQL over a table that is called `card`.
PROFILE_SQL: Final = {field: f"card.{field}" for field in PROFILE_FIELDS} | {"is_subscribed": _IS_SUBSCRIBED}
PROFILE_COLUMNS: Final = ", ".join(PROFILE_SQL.values())

"""The profile of a card: everything that decides which checks it gets, and how often."""

from typing import Final, NamedTuple

from cards.models.card import POLLED_STATUSES


class CardProfile(NamedTuple):
    """Columns of a card, in the order in which they are read, and whether its usage counts on a plan.

    There are fewer than two thousand profiles, so one decision serves all cards that share a profile.
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
        """Return whether cards with this profile are checked at all."""
        return self.enable_polling and self.status in POLLED_STATUSES


PROFILE_FIELDS: Final = CardProfile._fields
# Not a column of the card, because subscriptions of cards and devices begin and end without writing the card.
_IS_SUBSCRIBED: Final = """(
    EXISTS (SELECT FROM cards_subscription AS own
            WHERE own.card_id = card.id AND own.kind = 'main' AND own.ends_at IS NULL)
    OR EXISTS (SELECT FROM cards_subscription AS shared
               WHERE shared.device_id = card.device_id AND shared.kind = 'main' AND shared.ends_at IS NULL)
)"""
# Field -> SQL expression over a table aliased `card`.
PROFILE_SQL: Final = {field: f"card.{field}" for field in PROFILE_FIELDS} | {"is_subscribed": _IS_SUBSCRIBED}
PROFILE_COLUMNS: Final = ", ".join(PROFILE_SQL.values())

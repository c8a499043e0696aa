"""Which cards use a main subscription, as SQL."""

from typing import Final

# The SQL condition for a main subscription in force that the card `card` has itself.
HAS_OWN_MAIN: Final = """EXISTS (
    SELECT FROM cards_subscription AS own
    WHERE own.card_id = card.id AND own.kind = 'main' AND own.ends_at IS NULL
)"""
# The cards that use the main subscription `main`, to be joined with LATERAL. Cards with a main subscription of their
# own use none of their device's.
CARDS_OF_MAIN: Final = f"""(
    SELECT * FROM cards_card AS card WHERE card.id = main.card_id
    UNION ALL
    SELECT * FROM cards_card AS card WHERE card.device_id = main.device_id AND NOT {HAS_OWN_MAIN}
)"""

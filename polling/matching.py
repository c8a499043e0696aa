"""Which config decides how often a card is checked. Pure: it looks at the card's class only.

There are fewer than a thousand classes, so what is decided for one is decided for all its cards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from cards.models import Card, CheckType
from polling.models import PollingConfig

_Condition = PollingConfig.CardCondition
_POLLED_STATUSES = (Card.Status.DISTRIBUTED, Card.Status.ACTIVATED)


@dataclass(frozen=True)
class CardClass:
    """All that matching looks at."""

    carrier_id: int
    category: str
    status: int
    real_name_status: str
    network_status: str
    enable_polling: bool

    @property
    def is_polled(self) -> bool:
        """Whether its cards want checks at all."""
        return self.enable_polling and self.status in _POLLED_STATUSES


def interval_for(
    card: CardClass, check_type: CheckType, configs: Sequence[PollingConfig]
) -> timedelta | None:
    """How often cards of this class want the check; None: not at all.

    `configs` are those in force, the one that decides first in front.
    """
    if not card.is_polled:
        return None
    for config in configs:
        seconds = config.interval_of(check_type)
        if seconds is not None and matches(config, card):
            return timedelta(seconds=seconds) if seconds else None
    return None


def matches(config: PollingConfig, card: CardClass) -> bool:
    """Whether the card meets every condition of the config."""
    return (
        config.carrier_id in (None, card.carrier_id)
        and config.card_category in (PollingConfig.CardCategory.ANY, card.category)
        and _meets(_Condition(config.card_condition), card)
    )


def _meets(condition: PollingConfig.CardCondition, card: CardClass) -> bool:
    return {
        _Condition.ANY: True,
        _Condition.NOT_REAL_NAME: card.real_name_status != Card.RealNameStatus.VERIFIED,
        _Condition.REAL_NAME: card.real_name_status == Card.RealNameStatus.VERIFIED,
        _Condition.ACTIVATED: card.status == Card.Status.ACTIVATED,
        _Condition.SUSPENDED: card.network_status == Card.NetworkStatus.STOPPED,
    }[condition]

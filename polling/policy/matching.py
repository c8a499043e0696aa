"""Which config decides how often a card is checked. Pure: it looks at the card's class only.

There are few classes, so what is decided for one is decided for all its cards.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from django.utils.translation import gettext as _

from cards.models import Card, CheckType
from polling.checks.card_profile import CardProfile
from polling.checks.registry import CHECKS
from polling.models import PollingConfig

_Condition = PollingConfig.CardCondition


@dataclass(frozen=True)
class Decision:
    """How often cards of a class are checked (`interval` None: not at all), by which config, and why in words."""

    interval: timedelta | None
    config: PollingConfig | None
    reason: str

    @property
    def how_often(self) -> str:
        """The interval in words."""
        return _("every %d s") % self.interval.total_seconds() if self.interval else _("not made")


def decide(card: CardProfile, check_type: CheckType, configs: Sequence[PollingConfig]) -> Decision:
    """What `configs`, those in force with the one that decides first in front, say about a check."""
    if not card.enable_polling:
        return Decision(None, None, _("polling of the card is disabled"))
    if not card.is_polled:
        return Decision(None, None, _("the card is %s") % Card.Status(card.status).label)
    if exempt := CHECKS[check_type].unwanted_reason(card):
        return Decision(None, None, exempt)
    for config in configs:
        seconds = config.interval_of(check_type)
        if seconds is not None and matches(config, card):
            interval = timedelta(seconds=seconds) if seconds else None
            return Decision(interval, config, _reason(config, card, is_off=not seconds))
    return Decision(None, None, _("no config says anything about it"))


def interval_for(
    card: CardProfile, check_type: CheckType, configs: Sequence[PollingConfig]
) -> timedelta | None:
    """How often cards of this class want the check; None: not at all."""
    return decide(card, check_type, configs).interval


def fingerprint(configs: Iterable[PollingConfig]) -> str:
    """Equal for configs that decide the same way in the same order."""
    deciding = [
        [config.pk, config.card_condition, config.card_category, config.carrier_id]
        + [config.interval_of(check_type) for check_type in CheckType]
        for config in configs
    ]
    return sha256(repr(deciding).encode()).hexdigest()


def matches(config: PollingConfig, card: CardProfile) -> bool:
    """Whether the card meets every condition of the config."""
    return (
        config.carrier_id in (None, card.carrier_id)
        and config.card_category in (PollingConfig.CardCategory.ANY, card.category)
        and _meets(_Condition(config.card_condition), card)
    )


def _meets(condition: PollingConfig.CardCondition, card: CardProfile) -> bool:
    return {
        _Condition.ANY: True,
        _Condition.NOT_REAL_NAME: card.real_name_status != Card.RealNameStatus.VERIFIED,
        _Condition.REAL_NAME: card.real_name_status == Card.RealNameStatus.VERIFIED,
        _Condition.ACTIVATED: card.status == Card.Status.ACTIVATED,
        _Condition.SUSPENDED: card.network_status == Card.NetworkStatus.STOPPED,
    }[condition]


def _reason(config: PollingConfig, card: CardProfile, *, is_off: bool) -> str:
    conditions = [
        str(_Condition(config.card_condition).label) if config.card_condition != _Condition.ANY else "",
        str(Card.Category(card.category).label)
        if config.card_category != PollingConfig.CardCategory.ANY
        else "",
        _("of this carrier") if config.carrier_id else "",
    ]
    why = ", ".join(filter(None, conditions)) or _("every card")
    text = _("config '%(name)s' (%(priority)d): %(why)s")
    off = _(", which turns it off") if is_off else ""
    return text % {"name": config.name, "priority": config.priority, "why": why} + off

"""Decide how often a card is checked. The decision depends only on the configs and the card's profile.

One decision therefore serves all cards that share a profile, and there are few profiles.
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
    """The interval of a check for a profile, the config that decided, and the reason.

    `interval` is None if the check is not made. `config` is None if no config decided.
    """

    interval: timedelta | None
    config: PollingConfig | None
    reason: str

    @property
    def how_often(self) -> str:
        """Return the interval in words."""
        return _("every %d s") % self.interval.total_seconds() if self.interval else _("not checked")


def decide(profile: CardProfile, check_type: CheckType, configs: Sequence[PollingConfig]) -> Decision:
    """Return the decision about a check. The first matching config that sets the check's interval decides.

    `configs` must be in the order of `PollingConfig.objects.in_force()`.
    """
    if not profile.enable_polling:
        return Decision(None, None, _("polling of the card is disabled"))
    if not profile.is_polled:
        return Decision(None, None, _("the card is %s") % Card.Status(profile.status).label)
    if reason := CHECKS[check_type].unwanted_reason(profile):
        return Decision(None, None, reason)
    for config in configs:
        seconds = config.interval_of(check_type)
        if seconds is not None and matches(config, profile):
            interval = timedelta(seconds=seconds) if seconds else None
            return Decision(interval, config, _reason(config, profile, is_off=not seconds))
    return Decision(None, None, _("no config sets an interval for this check"))


def interval_for(
    profile: CardProfile, check_type: CheckType, configs: Sequence[PollingConfig]
) -> timedelta | None:
    """Return the interval between two checks of a card with this profile; None if the check is not made."""
    return decide(profile, check_type, configs).interval


def fingerprint(configs: Iterable[PollingConfig]) -> str:
    """Return a hash that changes if the conditions, the intervals or the order of the configs change."""
    deciding = [
        [config.pk, config.card_condition, config.card_category, config.carrier_id]
        + [config.interval_of(check_type) for check_type in CheckType]
        for config in configs
    ]
    return sha256(repr(deciding).encode()).hexdigest()


def matches(config: PollingConfig, profile: CardProfile) -> bool:
    """Return whether the profile meets every condition of the config."""
    return (
        config.carrier_id in (None, profile.carrier_id)
        and config.card_category in (PollingConfig.CardCategory.ANY, profile.category)
        and _meets(_Condition(config.card_condition), profile)
    )


def _meets(condition: PollingConfig.CardCondition, profile: CardProfile) -> bool:
    return {
        _Condition.ANY: True,
        _Condition.NOT_REAL_NAME: profile.real_name_status != Card.RealNameStatus.VERIFIED,
        _Condition.REAL_NAME: profile.real_name_status == Card.RealNameStatus.VERIFIED,
        _Condition.ACTIVATED: profile.status == Card.Status.ACTIVATED,
        _Condition.SUSPENDED: profile.network_status == Card.NetworkStatus.STOPPED,
    }[condition]


def _reason(config: PollingConfig, profile: CardProfile, *, is_off: bool) -> str:
    conditions = [
        str(_Condition(config.card_condition).label) if config.card_condition != _Condition.ANY else "",
        str(Card.Category(profile.category).label)
        if config.card_category != PollingConfig.CardCategory.ANY
        else "",
        _("this carrier") if config.carrier_id else "",
    ]
    matched = ", ".join(filter(None, conditions)) or _("every card")
    text = _("config '%(name)s' (%(priority)d): %(matched)s")
    off = _(", which turns the check off") if is_off else ""
    return text % {"name": config.name, "priority": config.priority, "matched": matched} + off

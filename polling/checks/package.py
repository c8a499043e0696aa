"""The package check finds out whether the plan of a card or of its device is used up. It calls no gateway."""

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import gettext as _

from cards import quota_judging, suspension_proposals
from cards.models import CheckType
from polling.checks.accepting import accept, recorded, refused
from polling.checks.base import LocalCheck, Outcome, Result
from polling.checks.card_profile import CardProfile


class PackageCheck(LocalCheck):
    """The check that compares usage with the quota, and proposes to suspend a card that is over its quota."""

    type = CheckType.PACKAGE

    def unwanted_reason(self, profile: CardProfile) -> str:
        return "" if profile.is_subscribed else _("the card has no plan")

    def record(self, results: Sequence[Result], *, now: datetime) -> list[Outcome]:
        accepted = accept(self.type, results, now=now)
        # Judge only cards without an error. An error means that PostgreSQL refused to store the result, and
        # it would refuse again.
        cards = [result.card.claim.card_id for result in accepted if result.answer is None]
        judged = quota_judging.judge(cards, now=now)
        quota_judging.store(judged.values(), now=now)
        suspension_proposals.review(judged, now=now)
        return [Outcome(result.card, recorded(result)) for result in accepted] + refused(results, accepted)

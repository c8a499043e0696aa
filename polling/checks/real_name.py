"""The real-name check: it asks whether the identity of a card's holder has been verified."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from django.utils.translation import gettext as _

from cards import carrier_state
from cards.models import Card, CheckType
from carriers.clients.base import GatewayClient, RealName
from polling.checks.accepting import accept, recorded, refused
from polling.checks.base import GatewayCheck, Outcome, PolledCard, Result
from polling.checks.card_profile import CardProfile


class RealNameCheck(GatewayCheck):
    """The check of real-name verification. If it changes a card's status, other configs may apply."""

    type = CheckType.REAL_NAME

    def unwanted_reason(self, profile: CardProfile) -> str:
        return _("industry cards are exempt") if profile.category == Card.Category.INDUSTRY else ""

    async def ask(self, client: GatewayClient, cards: Sequence[PolledCard]) -> list[Result]:
        answers = await client.real_names([card.iccid for card in cards])
        return [Result(card, answer) for card, answer in zip(cards, answers, strict=True)]

    def record(self, results: Sequence[Result], *, now: datetime) -> list[Outcome]:
        accepted = accept(self.type, results, now=now)
        changes = {
            result.card.claim.card_id: result.answer.value
            for result in accepted
            if isinstance(result.answer, RealName) and result.answer != result.card.profile.real_name_status
        }
        carrier_state.store(carrier_state.REAL_NAME, changes, cause="real-name check", now=now)
        return [_outcome(result) for result in accepted] + refused(results, accepted)


def _outcome(result: Result) -> Outcome:
    card = result.card
    if isinstance(result.answer, RealName):
        card = replace(card, profile=card.profile._replace(real_name_status=result.answer.value))
    return Outcome(card, recorded(result))

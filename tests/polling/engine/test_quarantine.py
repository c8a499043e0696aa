"""Parked cards stay parked until they are released."""

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from redis import Redis

from cards.models import CheckState, CheckType
from polling.policy import defaults
from polling.schedule import keys
from tests.factories import CardFactory
from tests.support.scanning import QUEUE, run_seeder

pytestmark = pytest.mark.django_db


def test_parked_cards_stay_parked_until_they_are_released(redis: Redis) -> None:
    defaults.make_missing()
    parked, other = CardFactory.create_batch(2)
    CheckState.objects.create(card=parked, type=CheckType.DATA_USAGE, parked_at=timezone.now())

    released_long_ago = CardFactory.create()
    redis.zadd(keys.parked("carddata"), {str(released_long_ago.pk): 1})

    run_seeder(redis)
    assert set(redis.zrange(QUEUE, 0, -1)) == {str(other.pk), str(released_long_ago.pk)}
    assert redis.zrange(keys.parked("carddata"), 0, -1) == [str(parked.pk)]

    call_command("release_parked", all=True)
    assert redis.zcard(QUEUE) == 3
    assert redis.zcard(keys.parked("carddata")) == 0
    assert CheckState.objects.get(card=parked).parked_at is None


def test_release_by_iccid_names_cards_that_are_not_parked(redis: Redis) -> None:
    first, second, other = CardFactory.create(), CardFactory.create(), CardFactory.create()
    for card in (first, second):
        CheckState.objects.create(card=card, type="carddata", parked_at=timezone.now())

    with pytest.raises(CommandError, match=f"not parked: {other.iccid}"):
        call_command("release_parked", first.iccid, other.iccid)

    assert redis.zrange(QUEUE, 0, -1) == [str(first.pk)]
    assert list(CheckState.objects.exclude(parked_at=None).values_list("card_id", flat=True)) == [second.pk]


@pytest.mark.parametrize("arguments", [[], ["--all", "89860000000000000001"]])
def test_release_requires_either_iccids_or_all(redis: Redis, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="give the ICCIDs of the cards"):
        call_command("release_parked", *arguments)

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_the_token_alone_is_printed_and_only_its_digest_is_stored() -> None:
    user = UserFactory.create(username="ann")
    call_command("create_api_token", "ann", stdout=(output := StringIO()))

    text = output.getvalue()
    assert text == text.strip() + "\n"
    found = tokens.find(text.strip(), now=timezone.now())
    assert found is not None
    assert (found.user, found.scope) == (user, ApiToken.Scope.READ)
    assert text.strip() not in str(ApiToken.objects.values())


def test_a_token_ends_after_its_days() -> None:
    UserFactory.create(username="ann")
    call_command("create_api_token", "ann", days=2, stdout=(output := StringIO()))
    text, now = output.getvalue().strip(), timezone.now()

    assert tokens.find(text, now=now + timedelta(days=1)) is not None
    assert tokens.find(text, now=now + timedelta(days=2, seconds=1)) is None


def test_an_altered_secret_finds_nothing() -> None:
    UserFactory.create(username="ann")
    call_command("create_api_token", "ann", stdout=(output := StringIO()))
    text = output.getvalue().strip()

    assert tokens.find(text[:-1] + ("A" if text[-1] != "A" else "B"), now=timezone.now()) is None


@pytest.mark.parametrize(
    ("arguments", "told"), [(["bob"], "no user 'bob'"), (["ann", "--days", "-1"], "--days")]
)
def test_what_cannot_be_done_is_told(arguments: list[str], told: str) -> None:
    UserFactory.create(username="ann")

    with pytest.raises(CommandError, match=told):
        call_command("create_api_token", *arguments)

    assert not ApiToken.objects.exists()

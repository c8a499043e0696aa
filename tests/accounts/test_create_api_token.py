from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_command_prints_the_token_and_stores_its_digest() -> None:
    user = UserFactory.create(username="ann")
    call_command("create_api_token", "ann", stdout=(output := StringIO()))

    text = output.getvalue()
    assert text == text.strip() + "\n"
    found = tokens.find(text.strip(), now=timezone.now())
    assert found is not None
    assert (found.user, found.scope) == (user, ApiToken.Scope.READ)
    assert text.strip() not in str(ApiToken.objects.values())


def test_token_expires_after_its_days() -> None:
    UserFactory.create(username="ann")
    call_command("create_api_token", "ann", days=2, stdout=(output := StringIO()))
    text, now = output.getvalue().strip(), timezone.now()

    assert tokens.find(text, now=now + timedelta(days=1)) is not None
    assert tokens.find(text, now=now + timedelta(days=2, seconds=1)) is None


def test_altered_secret_is_refused() -> None:
    UserFactory.create(username="ann")
    call_command("create_api_token", "ann", stdout=(output := StringIO()))
    text = output.getvalue().strip()

    assert tokens.find(text[:-1] + ("A" if text[-1] != "A" else "B"), now=timezone.now()) is None


@pytest.mark.parametrize(
    ("arguments", "message"), [(["bob"], "no user 'bob'"), (["ann", "--days", "-1"], "--days")]
)
def test_invalid_arguments_are_refused(arguments: list[str], message: str) -> None:
    UserFactory.create(username="ann")

    with pytest.raises(CommandError, match=message):
        call_command("create_api_token", *arguments)

    assert not ApiToken.objects.exists()

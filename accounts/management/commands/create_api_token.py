"""The command `create_api_token USERNAME`. It prints only the text of the new token to standard output."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from accounts import tokens
from accounts.models import ApiToken, User
from audit.models import Action
from audit.recording import record
from audit.snapshots import snapshot

MAX_DAYS = 3650


class Command(BaseCommand):
    """A command that creates an API token and shows its text once."""

    help = "Create an API token for a user and print it. The token cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="what the token is for")
        parser.add_argument("--scope", choices=ApiToken.Scope.values, default=ApiToken.Scope.READ)
        parser.add_argument(
            "--days", type=int, default=90, help="days until the token expires; 0 means never"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"there is no user '{options['username']}'")
        try:
            ApiToken._meta.get_field("name").clean(options["name"], None)
        except ValidationError as error:
            raise CommandError(f"--name: {' '.join(error.messages)}") from None
        if not 0 <= options["days"] <= MAX_DAYS:
            raise CommandError(f"--days must be 0 (never expires) to {MAX_DAYS}")
        expires_at = timezone.now() + timedelta(days=options["days"]) if options["days"] else None
        with transaction.atomic():
            token, text = tokens.issue(
                user, name=options["name"], scope=ApiToken.Scope(options["scope"]), expires_at=expires_at
            )
            record("create_api_token", Action.CREATED, token, after=snapshot(token))
        self.stdout.write(text)

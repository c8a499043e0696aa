"""Brings the database of the local stack up to date: `python -m lab.stack.prepare CARDS`."""

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from common.outages import one_line


def main() -> None:
    """Migrate, make the sign-in, the demo fleet and the schedule; each does nothing when it is there."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        django.setup()
        from common.redis.client import for_worker

        for_worker().ping()
        print("Bringing the database up to date ...", flush=True)
        call_command("migrate", verbosity=0, interactive=False)
        ensure_admin(os.environ["ADMIN_PASSWORD"])
        call_command("generate_cards", count=int(sys.argv[1]), only_if_empty=True)
        call_command("init_polling")
    except (ImproperlyConfigured, CommandError) as error:
        sys.exit(f"simwatch: {error}")
    except Exception as error:
        told = one_line(error)
        if told is None:
            raise
        sys.exit(f"simwatch: {told}")


def ensure_admin(password: str) -> None:
    """Make the superuser `admin`, unless there is one; his password is his own business then."""
    from accounts.models import User

    user = User.objects.filter(username="admin").first()
    if user is None:
        User.objects.create_superuser("admin", password=password)
    elif not user.check_password(password):
        print("The user admin has a password of its own; the one that is printed below does not apply.")


if __name__ == "__main__":
    main()

"""Bring the database and the schedule of the local stack up to date: `python -m lab.stack.prepare CARDS LOG`.

CARDS is the size of the demo fleet, and LOG is the file for the log, because the terminal shows progress.
"""

import logging
import os
import sys
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from common.outages import one_line


def main() -> None:
    """Run the migrations, then create the superuser, the demo fleet and the schedule unless they exist."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        django.setup()
        _log_to(Path(sys.argv[2]))
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
        reason = one_line(error)
        if reason is None:
            raise
        sys.exit(f"simwatch: {reason}")


def _log_to(file: Path) -> None:
    stream = file.open("a")
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


def ensure_admin(password: str) -> None:
    """Create the superuser `admin` unless it exists. Print a note if it exists with a different password."""
    from accounts.models import User

    user = User.objects.filter(username="admin").first()
    if user is None:
        User.objects.create_superuser("admin", password=password)
    elif not user.check_password(password):
        print("The user admin has a different password; the one printed below does not apply.")


if __name__ == "__main__":
    main()

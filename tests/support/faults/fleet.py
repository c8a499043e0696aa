"""Makes the fleet of a fault test in one process: `python -m tests.support.faults.fleet --cards N --seed S ...`. Prints a token in the end."""

import os
from argparse import ArgumentParser
from collections.abc import Sequence

import django
from django.core.management import call_command


def main() -> None:
    arguments = ArgumentParser()
    arguments.add_argument("--cards", required=True)
    arguments.add_argument("--seed", required=True)
    arguments.add_argument("--now", help="the moment that the fleet is of")
    arguments.add_argument("--unread", action="store_true", help="nobody has read its cards yet")
    arguments.add_argument("--without-real-names", action="store_true", help="nobody asks about them")
    arguments.add_argument("--made-so", action="append", default=[], help="a statement that changes it")
    given = arguments.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    moment = [f"--now={given.now}"] if given.now else []
    call_command("generate_cards", f"--count={given.cards}", f"--seed={given.seed}", *moment)
    prepare(is_unread=given.unread, has_real_names=not given.without_real_names)
    change(given.made_so)
    call_command("init_polling")
    call_command("create_api_token", "admin", scope="write")


def prepare(*, is_unread: bool, has_real_names: bool) -> None:
    from cards.models import CardUsage, CheckState
    from lab.stack.prepare import ensure_admin
    from polling.models import PollingConfig
    from polling.policy import defaults

    ensure_admin(os.environ["ADMIN_PASSWORD"])
    defaults.make_missing()
    if not has_real_names:
        PollingConfig.objects.update(realname_check_interval=None)
    if is_unread:
        CheckState.objects.all().delete()
        CardUsage.objects.all().delete()


def change(statements: Sequence[str]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


if __name__ == "__main__":
    main()

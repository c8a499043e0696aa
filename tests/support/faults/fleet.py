"""Create the cards and configs of a fault test, and seed the schedule. The last word printed is an API token.

`python -m tests.support.faults.fleet --cards N --seed S ...`
"""

import os
from argparse import ArgumentParser
from collections.abc import Sequence

import django
from django.core.management import call_command


def main() -> None:
    arguments = ArgumentParser()
    arguments.add_argument("--cards", required=True)
    arguments.add_argument("--seed", required=True)
    arguments.add_argument("--now", help="the moment at which the fleet is generated")
    arguments.add_argument("--unread", action="store_true", help="delete all readings and check results")
    arguments.add_argument("--without-real-names", action="store_true", help="switch the real-name check off")
    arguments.add_argument(
        "--statement", action="append", default=[], help="SQL to run on the fleet; may be repeated"
    )
    options = arguments.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    moment = [f"--now={options.now}"] if options.now else []
    call_command("generate_cards", f"--count={options.cards}", f"--seed={options.seed}", *moment)
    prepare(is_unread=options.unread, has_real_names=not options.without_real_names)
    run_statements(options.statement)
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


def run_statements(statements: Sequence[str]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


if __name__ == "__main__":
    main()

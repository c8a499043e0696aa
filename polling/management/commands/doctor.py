"""`doctor` answers "why is nothing happening?", and what to do about it."""

import sys
from collections import defaultdict
from typing import IO, Any, cast

from celery import current_app
from django.core.management.base import BaseCommand
from kombu.exceptions import ChannelError, OperationalError
from rich.console import Console
from rich.text import Text

from common.redis.client import for_worker
from polling.observe.doctor.finding import Finding, Verdict
from polling.observe.doctor.processes import Crew
from polling.observe.doctor.walk import troubles, walk

# A worker that does not say within this that it is there hangs, or is very far away.
ANSWER_SECONDS = 1.0
STYLES = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.TROUBLE: "bold red"}
COLUMN = 22


class Command(BaseCommand):
    """Walk from the servers to the cards. It changes nothing, and calls each gateway once."""

    help = "Says what stands still and what to do. Calls each open gateway once. Ends with 1 when there is trouble."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each finding as it is made."""
        console, found = Console(file=cast("IO[str]", self.stdout), highlight=False, soft_wrap=True), []
        for finding in walk(for_worker(), muster):
            found.append(finding)
            tell(console, finding)
        wrong = troubles(found)
        notes = sum(finding.verdict is Verdict.NOTE for finding in found)
        worth = f"; {notes} worth knowing" if notes else ""
        console.print(f"\n{wrong} to mend, from the top{worth}." if wrong else f"\nNo trouble{worth}.")
        sys.exit(int(wrong > 0))


def tell(console: Console, finding: Finding) -> None:
    """One line, and what to do below it."""
    line = Text(f"{finding.verdict.value:<8}", STYLES[finding.verdict])
    line.append(f"{finding.subject:<{COLUMN}} ", "bold").append(finding.says, "")
    if finding.what_to_do:
        line.append(f"\n{'':8}-> {finding.what_to_do}", "")
    console.print(line)


def muster() -> Crew | None:
    """Ask the workers and the broker."""
    try:
        with current_app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=2)
            before = _waiting(connection, "ticks")
            answers = current_app.control.inspect(timeout=ANSWER_SECONDS).active_queues() or {}
            do_ticks_pile_up = _waiting(connection, "ticks") > before
    except (OperationalError, OSError):
        return None
    workers: dict[str, list[str]] = defaultdict(list)
    for worker, queues in answers.items():
        for queue in queues:
            workers[queue["name"]].append(worker)
    return Crew(workers, do_ticks_pile_up)


def _waiting(connection: Any, queue: str) -> int:
    try:
        with connection.channel() as channel:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except ChannelError:
        # An empty queue does not exist in Redis.
        return 0

"""The `doctor` command: find out why cards are not checked, and print what to do about it."""

import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import IO, Any, cast

import orjson
from celery import current_app
from django.core.management.base import BaseCommand, CommandParser
from kombu.exceptions import ChannelError, OperationalError
from rich.console import Console
from rich.text import Text

from common.redis.client import for_worker
from polling.observe.doctor import servers
from polling.observe.doctor.diagnosis import count_troubles, diagnose
from polling.observe.doctor.finding import Finding, Verdict
from polling.observe.doctor.processes import WorkerReport

# A worker that does not answer within this time counts as not running. It probably hangs.
ANSWER_SECONDS = 1.0
STYLES = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.TROUBLE: "bold red"}
SUBJECT_WIDTH = 22


class Command(BaseCommand):
    """Examine everything, from the servers to the cards.

    The command changes nothing, but makes one test call to each gateway that may be called.
    """

    help = (
        "Prints what is not working and how to fix it. Calls each open gateway once. "
        "Exits with 0 if nothing needs action, with 1 if something does, and with 2 if PostgreSQL or Redis does "
        "not work, so that nothing else could be examined."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON, for monitoring")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = []
        console = Console(file=cast("IO[str]", self.stdout), highlight=False, soft_wrap=True)
        for finding in diagnose(for_worker(), ask_workers):
            findings.append(finding)
            if not options["json"]:
                print_finding(console, finding)
        if options["json"]:
            self.stdout.write(orjson.dumps(report(findings), option=orjson.OPT_INDENT_2).decode())
        else:
            print_sum(console, findings)
        sys.exit(exit_code(findings))


def report(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings for programs."""
    return {
        "troubles": count_troubles(findings),
        "findings": [{**asdict(finding), "verdict": finding.verdict.value.lower()} for finding in findings],
    }


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 2 if a server does not work, 1 if anything else needs action, and 0 otherwise."""
    if any(map(servers.is_outage, findings)):
        return 2
    return int(count_troubles(findings) > 0)


def print_sum(console: Console, findings: Sequence[Finding]) -> None:
    """Print the number of troubles and notes."""
    troubles = count_troubles(findings)
    notes = sum(finding.verdict is Verdict.NOTE for finding in findings)
    suffix = f"; notes: {notes}" if notes else ""
    console.print(
        f"\nTroubles: {troubles} (fix them from the top){suffix}." if troubles else f"\nNo trouble{suffix}."
    )


def print_finding(console: Console, finding: Finding) -> None:
    """Print the finding on one line, and its advice (if any) on the next line."""
    line = Text(f"{finding.verdict.value:<8}", STYLES[finding.verdict])
    line.append(f"{finding.subject:<{SUBJECT_WIDTH}} ", "bold").append(finding.detail, "")
    if finding.what_to_do:
        line.append(f"\n{'':8}-> {finding.what_to_do}", "")
    console.print(line)


def ask_workers() -> WorkerReport | None:
    """Return which workers answer and whether ticks pile up. Return None if the broker does not answer."""
    try:
        with current_app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=2)
            before = _message_count(connection, "ticks")
            answers = current_app.control.inspect(timeout=ANSWER_SECONDS).active_queues() or {}
            ticks_pile_up = _message_count(connection, "ticks") > before
    except (OperationalError, OSError):
        return None
    workers: dict[str, list[str]] = defaultdict(list)
    for worker, queues in answers.items():
        for queue in queues:
            workers[queue["name"]].append(worker)
    return WorkerReport(workers, ticks_pile_up)


def _message_count(connection: Any, queue: str) -> int:
    try:
        with connection.channel() as channel:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
    except ChannelError:
        # An empty queue has no key in Redis, so Kombu reports it as unknown.
        return 0

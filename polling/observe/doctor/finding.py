"""A finding: what the doctor has found out about one subject."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How serious a finding is.

    A `NOTE` is about something unusual that may be intended, such as a pause. A `TROUBLE` is about something
    that does not work, or that will soon stop working.
    """

    OK = "ok"
    NOTE = "note"
    TROUBLE = "TROUBLE"


@dataclass(frozen=True)
class Finding:
    """A finding about one subject: a verdict, a description (`detail`), and advice (`what_to_do`).

    Example::

        trouble("redis limit", "missing in Redis", "check that beat runs")
    """

    verdict: Verdict
    subject: str
    detail: str
    what_to_do: str = ""


def ok(subject: str, detail: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(Verdict.OK, subject, detail)


def note(subject: str, detail: str, what_to_do: str = "") -> Finding:
    """Return a finding about something unusual that may be intended."""
    return Finding(Verdict.NOTE, subject, detail, what_to_do)


def trouble(subject: str, detail: str, what_to_do: str) -> Finding:
    """Return a finding that needs action."""
    return Finding(Verdict.TROUBLE, subject, detail, what_to_do)

"""What the doctor finds out about one subject."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How serious a finding is.

    `NOTE` is worth knowing and may be intended; `TROUBLE` is not working, or soon will not be.
    """

    OK = "ok"
    NOTE = "note"
    TROUBLE = "TROUBLE"


@dataclass(frozen=True)
class Finding:
    """A finding about a subject, in words, and what to do about it.

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
    """Return a finding that is worth knowing."""
    return Finding(Verdict.NOTE, subject, detail, what_to_do)


def trouble(subject: str, detail: str, what_to_do: str) -> Finding:
    """Return a finding that needs action."""
    return Finding(Verdict.TROUBLE, subject, detail, what_to_do)

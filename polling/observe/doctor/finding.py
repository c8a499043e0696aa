"""What the doctor says of one thing."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """`NOTE` is worth knowing, perhaps somebody's intention; `TROUBLE` stands still, or will."""

    OK = "ok"
    NOTE = "note"
    TROUBLE = "TROUBLE"


@dataclass(frozen=True)
class Finding:
    """What is seen of a subject, in words, and what to do about it."""

    verdict: Verdict
    subject: str
    says: str
    what_to_do: str = ""


def ok(subject: str, says: str) -> Finding:
    """All is well."""
    return Finding(Verdict.OK, subject, says)


def note(subject: str, says: str, what_to_do: str = "") -> Finding:
    """Worth knowing."""
    return Finding(Verdict.NOTE, subject, says, what_to_do)


def trouble(subject: str, says: str, what_to_do: str) -> Finding:
    """Something must be done."""
    return Finding(Verdict.TROUBLE, subject, says, what_to_do)

"""Find out from many counters together what one counter cannot show, for example a wrong time zone.

All functions are pure. `polling.observe.counter_survey` collects the evidence.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cards.meter_limits import LATE_RESTART
from carriers.models import MAX_FIGURES_AGE

# Fewer cards are no evidence about a carrier.
MIN_CARDS: Final = 10
# A restart that differs less than this from the boundary is on time, because carriers take a while for all cards.
MIN_LATE: Final = timedelta(hours=2)
MIN_EARLY: Final = timedelta(hours=1)
# If no counter has restarted this long after the boundary, the counters probably never restart. But counters
# that have restarted late before may do so again.
MAX_WAIT: Final = timedelta(hours=24)
# A fault of more than this share of the cards is the carrier's, not the card's.
MAJORITY: Final = 0.5
# Counters do not restart if at most this share of them has: a few SIM cards are always swapped.
NEGLIGIBLE_SHARE: Final = 0.01
# If this share of the counters has restarted, the others have, too.
WITNESS_SHARE: Final = 0.99
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


class FindingKind(TextChoices):
    """What can be wrong with the counters of a carrier."""

    LATE_RESTART = "late_restart", _("restart after the declared boundary")
    EARLY_RESTART = "early_restart", _("restart before the declared boundary")
    NO_RESTART = "no_restart", _("do not restart")
    SUDDEN_RISE = "sudden_rise", _("rose too fast together")
    STALE = "stale", _("figures are not updated")


@dataclass(frozen=True)
class GatewayEvidence:
    """What the answers of one gateway show: their number in the last minutes, and the newest time stamp."""

    gateway_id: int
    answers: int
    newest: datetime | None


@dataclass(frozen=True)
class Evidence:
    """What the meters of one carrier's cards show together. `CounterSurvey` explains the fields.

    The cards have `meters`. Of the restarts, `late_restarts` are known to be late: 2 h or more after the start
    of the cycle, a reading still showed the old counter. Of the awaited ones, `overdue` were not seen after
    `longest_wait` either. `known` has the details of the findings about the carrier so far, by kind.

    Of `risen_of` cards, those of the carrier or of its worst gateway, `risen` counters rose suddenly, and these
    rises are held or still uncertain. Half of them came before `rose_at`. The carrier has declared that its figures
    are `delay` old. Figures that are older than `max_age` are stale.
    """

    is_lifetime: bool
    begins: datetime
    cards: int
    restarted: int
    awaited: int
    earliest_restart: timedelta | None
    median_restart: timedelta | None
    meters: int = 0
    late_restarts: int = 0
    overdue: int = 0
    risen: int = 0
    risen_of: int = 0
    rose_at: datetime | None = None
    delay: timedelta = timedelta()
    max_age: timedelta = MAX_FIGURES_AGE
    gateways: tuple[GatewayEvidence, ...] = ()
    known: Mapping[FindingKind, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """Something that is wrong with the counters of a carrier, or of one gateway if `gateway_id` is set."""

    kind: FindingKind
    gateway_id: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def find(evidence: Evidence, *, now: datetime) -> Iterator[Found]:
    """Yield what the evidence shows to be wrong.

    Example::

        list(find(evidence, now=now))  # [Found(FindingKind.NO_RESTART, details={"cards": 3000})]
    """
    if not evidence.is_lifetime:
        yield from _restarts(evidence, now)
    yield from _rises(evidence)
    for gateway in evidence.gateways:
        if gateway.newest and gateway.answers >= MIN_CARDS and now - gateway.newest > evidence.max_age:
            hours = _hours(now - gateway.newest)
            yield Found(FindingKind.STALE, gateway.gateway_id, {"hours": hours})


def _rises(evidence: Evidence) -> Iterator[Found]:
    known = evidence.known.get(FindingKind.SUDDEN_RISE)
    if evidence.risen_of >= MIN_CARDS and evidence.risen > evidence.risen_of * MAJORITY and evidence.rose_at:
        details = {"cards": evidence.risen, "at": evidence.rose_at.isoformat()}
        yield Found(FindingKind.SUDDEN_RISE, details=details)
    elif known and datetime.fromisoformat(known["at"]) < evidence.begins:
        # Restarts end the doubts about the rises, but counters in a wrong unit restart in that unit.
        yield Found(FindingKind.SUDDEN_RISE, details=known)


def _restarts(evidence: Evidence, now: datetime) -> Iterator[Found]:
    restarted, awaited = evidence.restarted, evidence.awaited
    if restarted >= MIN_CARDS and restarted >= (restarted + awaited) * MAJORITY:
        yield from _misplaced(evidence)
    elif cards := _never_restarting(evidence):
        yield Found(FindingKind.NO_RESTART, details={"cards": cards})
    elif now - evidence.begins <= LATE_RESTART:
        # So far, this cycle neither confirms nor refutes what the one before has shown.
        for kind in (FindingKind.LATE_RESTART, FindingKind.EARLY_RESTART):
            if kind in evidence.known:
                yield Found(kind, details=evidence.known[kind])


def _never_restarting(evidence: Evidence) -> int:
    """Return how many counters do not restart, or 0 if too few are known or some do."""
    known = evidence.known.get(FindingKind.NO_RESTART, {}).get("cards", 0)
    cards: int = max(evidence.overdue, min(known, evidence.meters))
    return cards if cards >= MIN_CARDS and evidence.restarted <= cards * NEGLIGIBLE_SHARE else 0


def _misplaced(evidence: Evidence) -> Iterator[Found]:
    earliest, median = evidence.earliest_restart, evidence.median_restart
    if earliest and earliest >= MIN_LATE + evidence.delay:
        # Without readings around the boundary, restarts are seen late although they were not.
        if evidence.late_restarts > evidence.restarted * MAJORITY:
            details = {"cards": evidence.restarted, "hours": _hours(earliest)}
            yield Found(FindingKind.LATE_RESTART, details=details)
        elif FindingKind.LATE_RESTART in evidence.known:
            yield Found(FindingKind.LATE_RESTART, details=evidence.known[FindingKind.LATE_RESTART])
    if median and median <= -MIN_EARLY:
        details = {"cards": evidence.restarted, "hours": _hours(-median)}
        yield Found(FindingKind.EARLY_RESTART, details=details)


def longest_wait(known: Collection[FindingKind]) -> timedelta:
    """Return how long after the start of a cycle counters are expected to restart."""
    return LATE_RESTART if FindingKind.LATE_RESTART in known else MAX_WAIT


def have_restarted(restarted: int, awaited: int) -> bool:
    """Return whether nearly all counters of a carrier have restarted, so that any other one has, too."""
    return restarted >= MIN_CARDS and restarted >= (restarted + awaited) * WITNESS_SHARE


def message(kind: FindingKind, subject: str, details: Mapping[str, Any]) -> str:
    """Return one line that says what is wrong. `subject` is the name of the carrier or the gateway."""
    return _MESSAGES[kind](subject, details)


def _late(subject: str, details: Mapping[str, Any]) -> str:
    hours = details["hours"]
    if hours < DAY // HOUR:
        return (
            f"counters of {subject} restart at {hours:02d}:00, but the cycle is declared to begin at 00:00: "
            "is its time zone right?"
        )
    days = round(hours / 24)
    return ngettext(
        "counters of %(subject)s restart %(days)d day after the declared billing day: is the billing day right?",
        "counters of %(subject)s restart %(days)d days after the declared billing day: is the billing day right?",
        days,
    ) % {"subject": subject, "days": days}


def _early(subject: str, details: Mapping[str, Any]) -> str:
    hours = details["hours"]
    return ngettext(
        "counters of %(subject)s restart %(hours)d hour before the declared start of the cycle: "
        "is its time zone right?",
        "counters of %(subject)s restart %(hours)d hours before the declared start of the cycle: "
        "is its time zone right?",
        hours,
    ) % {"subject": subject, "hours": hours}


def _none(subject: str, details: Mapping[str, Any]) -> str:
    cards = details["cards"]
    return ngettext(
        "%(cards)s counter of %(subject)s does not restart with its cycle: does it count over the card's lifetime?",
        "none of %(cards)s counters of %(subject)s restarts with its cycle: "
        "do they count over the card's lifetime?",
        cards,
    ) % {"subject": subject, "cards": f"{cards:,}"}


def _risen(subject: str, details: Mapping[str, Any]) -> str:
    cards, at = details["cards"], datetime.fromisoformat(details["at"])
    return ngettext(
        "%(cards)s counter of %(subject)s rose suddenly at %(at)s UTC: has the unit changed?",
        "%(cards)s counters of %(subject)s rose suddenly at %(at)s UTC: has the unit changed?",
        cards,
    ) % {"subject": subject, "cards": f"{cards:,}", "at": f"{at:%Y-%m-%d %H:%M}"}


def _stale(subject: str, details: Mapping[str, Any]) -> str:
    hours = details["hours"]
    return ngettext(
        "the figures of %(subject)s have not moved for %(hours)d hour, although it answers",
        "the figures of %(subject)s have not moved for %(hours)d hours, although it answers",
        hours,
    ) % {"subject": subject, "hours": hours}


_MESSAGES: Final[Mapping[FindingKind, Callable[[str, Mapping[str, Any]], str]]] = {
    FindingKind.LATE_RESTART: _late,
    FindingKind.EARLY_RESTART: _early,
    FindingKind.NO_RESTART: _none,
    FindingKind.SUDDEN_RISE: _risen,
    FindingKind.STALE: _stale,
}


def _hours(duration: timedelta) -> int:
    return duration // HOUR

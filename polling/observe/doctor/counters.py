"""Examine the counters of the carriers: what the latest surveys found wrong, and how much usage is uncertain."""

from collections.abc import Iterator

from cards.counter_findings import FindingKind
from cards.models import CounterFinding, CounterSurvey
from polling.observe.doctor.finding import Finding, note, ok, trouble

ADVICE = {
    FindingKind.LATE_RESTART: "correct the carrier's time zone or billing day in the admin",
    FindingKind.EARLY_RESTART: "correct the carrier's time zone or billing day in the admin",
    FindingKind.NO_RESTART: "ask the carrier, and set its counter to 'never restarts' in the admin",
    FindingKind.SUDDEN_RISE: "ask the carrier whether it has changed the unit; when its figures are right, dismiss the finding in the admin",
    FindingKind.STALE: "ask the carrier when it will update its figures",
}


def examine() -> Iterator[Finding]:
    """Yield a finding for everything that is wrong, and one for each carrier with uncertain usage."""
    findings = list(CounterFinding.objects.select_related("carrier", "gateway"))
    for finding in findings:
        yield trouble(
            "counters",
            f"{finding}; no card of {finding.carrier} is proposed for suspension",
            ADVICE[FindingKind(finding.kind)],
        )
    uncertain = False
    for survey in CounterSurvey.objects.select_related("carrier").order_by("carrier"):
        if survey.uncertain:
            uncertain = True
            yield usage(survey.carrier.name, survey.uncertain)
    if not CounterSurvey.objects.exists():
        yield ok("counters", "not surveyed yet; a worker of the queue background does so every five minutes")
    elif not findings and not uncertain:
        yield ok("counters", "the usage of every card is certain")


def usage(carrier: str, uncertain: dict[str, int]) -> Finding:
    """Return the finding about the uncertain cards of a carrier. `uncertain` maps reasons to numbers of cards."""
    reasons = ", ".join(
        f"{reason.replace('_', ' ')} {cards:,}" for reason, cards in sorted(uncertain.items())
    )
    return note(
        "usage",
        f"the usage of some cards of {carrier} is uncertain: {reasons}",
        "see 'card usage' in the admin, filtered by certainty; a person can accept the counter or keep the usage",
    )

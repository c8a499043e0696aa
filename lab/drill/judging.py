"""Judge a drill by the gateways' call log, PostgreSQL and the contents of Redis."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from lab.benchmark.run import Run
from lab.drill import call_log, tables
from lab.drill.findings import Findings
from lab.drill.plan import GATEWAY_LIMIT, LIMIT, Plan
from lab.drill.registry import Drill
from lab.drill.stored_usage import StoredUsage, has_used, miscounted, usage_by_card

# The engine must reach this share of the promised rate of checks. It is below 1 because the faults delay some
# checks until after the last fault, and those checks do not count.
KEPT_SHARE = 0.9


@dataclass
class Course:
    """A record of one drill. Faults were injected from `begun` to `ended`.

    `interval` is the promised time between two readings of a card, in seconds. `before` maps each card id to
    the card's stored usage at the start. `calls` is the gateways' call log.
    """

    drill: Drill
    plan: Plan
    interval: int
    before: Mapping[int, StoredUsage]
    begun: datetime
    ended: datetime
    calls: list[dict[str, Any]] = field(default_factory=list)


def judge(run: Run, course: Course, faults: Counter[str]) -> Findings:
    """Compare each promise of the engine with the call log and the stored data, and return the findings."""
    findings = Findings(faults)
    _judge_schedule(run, findings)
    _judge_freshness(run, course, findings)
    _judge_calls(course, findings)
    _judge_values(run, course, findings)
    claimed, lost = tables.claims(run.stack)
    findings.about |= {
        "interval_seconds": course.interval,
        "calls": len(course.calls),
        "claims": claimed,
        "claims_lost": lost,
    }
    findings.at_least("injected faults", 0.7 * course.plan.seconds / course.plan.every, faults.total())
    return findings


def _judge_schedule(run: Run, findings: Findings) -> None:
    stack = run.stack
    findings.at_most("cards wrongly missing from the schedule, or wrongly in it", 0, tables.misplaced(stack))
    findings.at_most("cards parked for no reason", 0, tables.parked(stack))
    findings.at_most("slots held by dead processes", 0, tables.orphaned_slots(stack))


def _judge_freshness(run: Run, course: Course, findings: Findings) -> None:
    """Judge how recently each card was read. Leave out the cards of the gateway that was made to fail."""
    now, gap = run.now(), course.plan.longest_gap(course.interval)
    cards = tables.wanting(run.stack, without=course.drill.sick)
    longest = call_log.longest_gap(course.calls, set(cards.values()), begin=course.begun, end=now)
    findings.at_most("longest time without an answer about a card, in the log", gap, longest, "s")
    oldest = tables.oldest_answer_seconds(run.stack, now, begun=course.begun, without=course.drill.sick)
    findings.at_most("age of the oldest last answer, in PostgreSQL", gap, oldest, "s")
    rate, promised = _answer_rate(course, set(cards.values())), len(cards) / course.interval
    findings.about |= {"answers_per_second": round(rate, 1), "promised_per_second": round(promised, 1)}
    # Judge the rate only if faults were injected for longer than `gap`. In a shorter drill, a check may be
    # delayed until after the last fault without breaking a promise.
    if course.plan.seconds > gap:
        findings.at_least("cards answered per second", KEPT_SHARE * promised, rate)


def _answer_rate(course: Course, cards: Collection[str]) -> float:
    """Return the number of answers per second about `cards` while faults were injected."""
    calls = [call for call in course.calls if datetime.fromisoformat(call["end"]) <= course.ended]
    return call_log.answers(calls, cards) / (course.ended - course.begun).total_seconds()


def _judge_calls(course: Course, findings: Findings) -> None:
    others = [call for call in course.calls if call_log.gateway_of(call) != course.drill.sick]
    findings.at_most("calls at once", LIMIT, call_log.max_at_once(others))
    if course.drill.sick:
        # Allow one more call, because a breaker trial takes a slot of its gateway but none of its check type.
        highest = call_log.max_at_once(course.calls)
        findings.at_most("calls at once, with breaker trials", LIMIT + 1, highest)
    highest = call_log.max_at_one_gateway(course.calls)
    findings.at_most("calls at once at one gateway", GATEWAY_LIMIT, highest)
    twice = call_log.asked_twice_at_once(course.calls)
    findings.at_most("overlapping calls about one card", 0, len(twice))
    if twice:
        findings.about["beside_each_other"] = [dict(call) for call in twice[0]]


def _judge_values(run: Run, course: Course, findings: Findings) -> None:
    compared, wrong = tables.compare_values(run.stack, course.begun, Random(course.plan.seed))
    findings.at_least(
        "stored values compared with the carrier's", min(tables.SAMPLE, course.plan.cards / 4), compared
    )
    findings.at_most("stored values that differ from the carrier's", 0, wrong)
    now = usage_by_card(run.stack)
    used = sum(has_used(usage, now[card]) for card, usage in course.before.items())
    findings.at_least("cards with usage", course.plan.cards / 4, used)
    wrong_sums = miscounted(course.before, now)
    findings.at_most("cards whose meter, history or plan did not grow like their counter", 0, len(wrong_sums))
    findings.at_most("readings recorded twice", 0, tables.recorded_twice(run.stack, course.begun))
